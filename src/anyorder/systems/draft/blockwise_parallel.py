"""Blockwise parallel decoding: heads guess the next block while the model checks this one.

    anyorder reproduce blockwise-parallel

The paper's rule for pixels, whose numbers are near when they look alike (`Lenient(distance=2)`), is
not measured here: it needs a model of images.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.blockwise import Blockwise
from anyorder.decode.draft_verify.lenient import Lenient
from anyorder.models.headed import HeadedSeq2Seq
from anyorder.nets.heads import Heads
from anyorder.objectives.ahead import Ahead
from anyorder.systems.claims import AtMost, Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

FROZEN = Way("blockwise-frozen", begins_with=BASELINE, recipe=TUNING)
TUNED = Way("blockwise", begins_with=BASELINE, recipe=TUNING)
DISTILLED = Way("blockwise", begins_with=BASELINE, recipe=TUNING, lessons=TAUGHT)


SYSTEM = System(
    number=126,
    slug="blockwise-parallel",
    family="draft",
    paper="Stern, Shazeer and Uszkoreit 2018, arXiv:1811.03115",
    mechanism=(
        "Seven heads beside the first one guess the tokens that follow the next one. A call checks "
        "the guesses of the call before, keeps those that are right, and guesses again from where "
        "they end. The heads learn with the model frozen, or with all of it, from real targets or "
        "a teacher's. What is nearly right may be kept, too; then the text is another one."
    ),
    parts=(HeadedSeq2Seq, Heads, Ahead, Blockwise, Lenient),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_blockwise.py::test_a_block_costs_one_call",
        "tests/decode/test_blockwise.py::test_a_lenient_text_is_what_the_rules_make_of_it",
        "tests/models/test_headed.py::test_it_begins_with_a_model_that_has_one_head",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "blockwise-parallel": DISTILLED,
                "distilled, left to right": read(DISTILLED, "left-to-right"),
                "distilled, one guess": read(DISTILLED, "blockwise:width=1"),
                "distilled, among three": read(DISTILLED, "lenient:by=blockwise,top=3"),
                "distilled, two at least": read(DISTILLED, "lenient:by=blockwise,least=2"),
                "fine-tuned": TUNED,
                "fine-tuned, left to right": read(TUNED, "left-to-right"),
                "frozen": FROZEN,
                "frozen, left to right": read(FROZEN, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    claims=(
        Claim(
            "It needs at most half of the calls of left to right.",
            Less("calls", than="distilled, left to right", times=0.5),
        ),
        Claim(
            "It is quicker than the same model left to right.",
            Less("latency_ms", than="distilled, left to right"),
        ),
        Claim(
            "A block of seven guesses takes fewer calls than one guess.",
            Less("calls", than="distilled, one guess"),
        ),
        Claim(
            "When the whole model learns, guesses are better than those of heads alone.",
            Less("calls", than="frozen", of="fine-tuned"),
        ),
        Claim("From a teacher's targets they are better still.", Less("calls", than="fine-tuned")),
        Claim(
            "Frozen, with real targets, it saves a quarter of the calls.",
            Less("calls", than="frozen, left to right", times=0.75, of="frozen"),
        ),
        Claim(
            "Guesses among the three likeliest tokens save more calls.",
            Less("calls", than="blockwise-parallel", of="distilled, among three"),
        ),
        Claim(
            "That costs at most a tenth of the BLEU.",
            More("bleu", than="blockwise-parallel", times=0.9, of="distilled, among three"),
        ),
        Claim("A sentence takes ten calls at the most.", AtMost("calls", 10.0)),
    ),
    minutes=80,
)
