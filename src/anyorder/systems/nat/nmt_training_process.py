"""What an autoregressive model learns first and last, and an earlier one as a simpler teacher.

anyorder reproduce nmt-training-process
"""

from anyorder.data.translate import Translate
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.ngram_lm import NGramModel
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.length_based import LengthBased
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import EARLY, MIDDLE, TAUGHT, TEACHER
from anyorder.systems.experiments.school import Taught, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.words import ChoiceOfWords, Competences
from anyorder.systems.system import System
from anyorder.train.schedule import Until

SYSTEM = System(
    number=76,
    slug="nmt-training-process",
    family="nat",
    paper="Voita, Sennrich and Titov 2021, arXiv:2109.01396",
    mechanism=(
        "An autoregressive translation model first learns which target words go together, then "
        "which words the source asks for, and at last to put them in another order than the "
        "source. A teacher from the middle of its training translates nearly as well, in simpler "
        "orders. So a parallel model without refinement learns more from its targets."
    ),
    parts=(Seq2Seq, Until, NGramModel, LengthTransformer, LengthBased, LeftToRight, Parallel),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=("tests/train/test_loop.py::test_a_training_until_a_step_is_the_whole_one_by_then",),
    experiments=(
        Trained(
            Translate("de"),
            {
                "nmt-training-process": Way("vanilla", lessons=Taught(MIDDLE)),
                "last teacher": Way("vanilla", lessons=TAUGHT),
                "teacher, 1800 steps": EARLY,
                "teacher, 3600 steps": MIDDLE,
                "teacher, 7200 steps": TEACHER,
            },
            also=(ChoiceOfWords(), Competences()),
        ),
    ),
    claims=(
        Claim(
            "A parallel model translates better with a teacher from the middle of the training "
            "than with the last one.",
            More("bleu", than="last teacher"),
        ),
        Claim(
            "After a quarter of the training the teacher's words go together: their perplexity is "
            "at most twice that of the end.",
            Less(
                "ngram_perplexity", than="teacher, 7200 steps", times=2.0, of="teacher, 1800 steps"
            ),
        ),
        Claim(
            "And that is not because it says few words again and again: the entropy of its words "
            "is at least 0.8 of that of the end.",
            More("entropy", than="teacher, 7200 steps", times=0.8, of="teacher, 1800 steps"),
        ),
        Claim(
            "By then fewer than half as many words are right as at the end.",
            Less(
                "lexical_accuracy", than="teacher, 7200 steps", times=0.5, of="teacher, 1800 steps"
            ),
        ),
        Claim(
            "In the middle more than half as many are right.",
            More(
                "lexical_accuracy", than="teacher, 7200 steps", times=0.5, of="teacher, 3600 steps"
            ),
        ),
        Claim(
            "In the second half its words still leave the order of the source more often.",
            Less("kendall_distance", than="teacher, 7200 steps", of="teacher, 3600 steps"),
        ),
    ),
    minutes=300,
)
