"""Lexical choice: what real pairs say of each word is a prior for a model that learns a teacher's.

anyorder reproduce lexical-choice
"""

from anyorder.align.translations import Translations
from anyorder.align.words import Aligner
from anyorder.data.translate import Translate
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.lexical_choice import LexicalChoice
from anyorder.systems.claims import Claim, More
from anyorder.systems.experiments.lessons import TAUGHT
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.words import ChoiceOfWords
from anyorder.systems.system import System

SYSTEM = System(
    number=73,
    slug="lexical-choice",
    family="nat",
    paper="Ding et al. 2021, arXiv:2012.14583",
    mechanism=(
        "A teacher's mistakes with rare words go over to the model that learns its targets. An "
        "aligner learns from the real pairs what each source word becomes. While the model trains, "
        "its choice for each target word is drawn toward that by a Kullback-Leibler term, whose "
        "weight falls to nothing in the first half of the training."
    ),
    parts=(LengthTransformer, LexicalChoice, Translations, Aligner, MaskPredict),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/objectives/test_lexical_choice.py::test_each_cell_is_drawn_to_its_source_words_prior",
        "tests/objectives/test_lexical_choice.py::test_from_the_middle_on_it_is_the_wrapped_loss",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "lexical-choice": Way("masked-lexical", lessons=TAUGHT),
                "distillation": Way("masked", lessons=TAUGHT),
            },
            test=400,  # ten calls for each of five lengths take their time
            timed=48,
            also=(ChoiceOfWords(),),
        ),
    ),
    claims=(
        Claim(
            "It translates more of the rare source words right than a model that learns a "
            "teacher's targets alone.",
            More("lexical_accuracy_low", than="distillation"),
        ),
        Claim("And more of all words.", More("lexical_accuracy", than="distillation")),
        Claim("It translates better.", More("bleu", than="distillation")),
    ),
    minutes=130,
)
