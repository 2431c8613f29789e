"""Words first, then phrases, then sentences: what is easy to learn comes before what is hard.

anyorder reproduce progressive-multi-granularity
"""

from dataclasses import replace

from anyorder.align.phrases import Phrase
from anyorder.align.words import Aligner
from anyorder.data.granules import Granules
from anyorder.data.translate import Translate
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.length_based import Masked
from anyorder.systems.claims import Claim, More
from anyorder.systems.experiments.lessons import TAUGHT, Phrases, Words
from anyorder.systems.experiments.school import LAPTOP, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.words import ChoiceOfWords
from anyorder.systems.system import System

FIRST = replace(LAPTOP, steps=150, check_every=50)
SECOND = replace(LAPTOP, steps=250, check_every=50)
THIRD = replace(LAPTOP, steps=800, check_every=200)  # 1200 in all, as sentences alone have

WORDS = Way("masked", lessons=Words(TAUGHT), recipe=FIRST)
PHRASES = Way("masked", lessons=Phrases(TAUGHT), recipe=SECOND, begins_with=WORDS)

SYSTEM = System(
    number=5,
    slug="progressive-multi-granularity",
    family="nat",
    paper="Ding et al. 2021, arXiv:2106.05546",
    mechanism=(
        "A word has fewer translations than a sentence, so a parallel model learns it more easily. "
        "An aligner finds pairs of words and of phrases within the training sentences. The model "
        "learns words, goes on with phrases, and ends with sentences."
    ),
    parts=(LengthTransformer, Masked, Aligner, Phrase, Granules, MaskPredict),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=("tests/align/test_phrases.py::test_phrases_are_all_that_the_links_allow",),
    experiments=(
        Trained(
            Translate("de"),
            {
                "progressive-multi-granularity": Way(
                    "masked", lessons=TAUGHT, recipe=THIRD, begins_with=PHRASES
                ),
                "sentences alone": Way("masked", lessons=TAUGHT),
            },
            test=400,  # ten calls for each of five lengths take their time
            timed=48,
            also=(ChoiceOfWords(),),
        ),
    ),
    claims=(
        Claim(
            "It translates better than a model that learns sentences alone for as many steps.",
            More("bleu", than="sentences alone"),
        ),
        Claim("It chooses more words right.", More("lexical_accuracy", than="sentences alone")),
    ),
    minutes=130,
)
