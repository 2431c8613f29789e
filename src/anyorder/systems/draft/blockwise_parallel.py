"""Blockwise parallel decoding: heads guess the next block while the model checks this one.

    anyorder reproduce blockwise-parallel

The paper's rule for pixels, whose numbers are near when they look alike (`Lenient(distance=2)`), is
not measured here: it needs a model of images. Where the whole model learns, the next token has its
turn in every batch (`NextAndAhead`); in the paper's way, one head by chance for every batch
(`Ahead`), it has one of eight: `a head a batch` shows what a training as short as this makes of
that. What is distilled is what the model wrote itself that the training begins with. Where models
write different texts, acceptance lengths are compared: a shorter text needs fewer calls.
"""

from dataclasses import replace

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.nets.heads import Heads
from anyorder.objectives.ahead import Ahead
from anyorder.objectives.next_and_ahead import NextAndAhead
from anyorder.systems.claims import AtMost, Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, SelfTaught
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

FROZEN = Way("blockwise-frozen", begins_with=BASELINE, recipe=TUNING)
BRIEF = replace(TUNING, steps=600)
HEADS = replace(FROZEN, recipe=BRIEF)
TUNED = Way("blockwise-tuned", begins_with=BASELINE, recipe=BRIEF)
DISTILLED = replace(TUNED, lessons=SelfTaught())
BY_CHANCE = Way("blockwise", begins_with=BASELINE, recipe=BRIEF)

SYSTEM = System(
    number=126,
    slug="blockwise-parallel",
    family="draft",
    paper="Stern, Shazeer and Uszkoreit 2018, arXiv:1811.03115",
    mechanism=(
        "Seven heads beside the first one guess the tokens that follow the next one. A call checks "
        "the guesses of the call before, keeps those that are right, and guesses again from where "
        "they end. The heads learn with the model frozen, or with all of it, from real targets or "
        "from what the model wrote before. What is nearly right may be kept, too; then the text is "
        "another one."
    ),
    parts=(HeadedSeq2Seq, Heads, Ahead, NextAndAhead, Blockwise, Lenient),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_blockwise.py::test_a_block_costs_one_call",
        "tests/decode/test_blockwise.py::test_a_lenient_text_is_what_the_rules_make_of_it",
        "tests/models/test_headed.py::test_it_begins_with_a_model_that_has_one_head",
        "tests/objectives/test_next_and_ahead.py::test_the_mean_over_turns_is_that_over_heads",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "blockwise-parallel": DISTILLED,
                "distilled, left to right": read(DISTILLED, "left-to-right"),
                "distilled, among three": read(DISTILLED, "lenient:by=blockwise,top=3"),
                "distilled, two at least": read(DISTILLED, "lenient:by=blockwise,least=2"),
                "fine-tuned": TUNED,
                "a head a batch": BY_CHANCE,
                "frozen": HEADS,
                "frozen, left to right": read(HEADS, "left-to-right"),
            },
            test=400,
            timed=64,
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
            "When the whole model learns, guesses are better than those of heads alone.",
            More("acceptance_length", than="frozen", of="fine-tuned"),
        ),
        Claim(
            "Its texts are hardly worse for that.",
            More("bleu", than="frozen", times=0.95, of="fine-tuned"),
        ),
        Claim(
            "They are better than those of a model that learns a head a batch.",
            More("bleu", than="a head a batch", of="fine-tuned"),
        ),
        Claim(
            "When it learns from what it wrote itself, guesses are better still.",
            More("acceptance_length", than="fine-tuned"),
        ),
        Claim(
            "Frozen, with real targets, it saves a quarter of the calls.",
            Less("calls", than="frozen, left to right", times=0.75, of="frozen"),
        ),
        Claim(
            "Guesses among the three likeliest tokens are accepted for longer.",
            More("acceptance_length", than="blockwise-parallel", of="distilled, among three"),
        ),
        Claim(
            "That costs at most a tenth of the BLEU.",
            More("bleu", than="blockwise-parallel", times=0.9, of="distilled, among three"),
        ),
        Claim("A sentence takes ten calls at the most.", AtMost("calls", 10.0)),
    ),
    minutes=70,
)
