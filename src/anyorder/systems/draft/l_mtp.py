"""Leap multi-token prediction: heads that skip tokens, and guess twice as far.

    anyorder reproduce l-mtp

The paper trains large language models in two stages, the heads first and then all weights, and
checks a tree of guesses. Here the base is a small translator, the draft is a chain, and leaps are
of two tokens. What longer leaps buy, and the second stage, is not measured.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_heads.looking_backward import LookingBackward
from anyorder.models.left_to_right.leaping import LeapSeq2Seq
from anyorder.nets.heads import Heads
from anyorder.objectives.ahead import Leaps
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.draft.blockwise_parallel import FROZEN
from anyorder.systems.experiments.lessons import BASELINE
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

LEAPS = Way("leaps-frozen", begins_with=BASELINE, recipe=TUNING)

SYSTEM = System(
    number=93,
    slug="l-mtp",
    family="draft",
    paper="Liu et al. 2025, arXiv:2505.17505",
    mechanism=(
        "Seven heads beside the first one guess every second token that follows, so that they "
        "reach fourteen tokens far. What they leave out was guessed from the cell before, so "
        "that a block without gaps is drafted and checked in one call. The heads learn "
        "with the model frozen, or with all of it (which is not measured)."
    ),
    parts=(LeapSeq2Seq, Heads, Leaps, LookingBackward),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_looking_backward.py::test_gaps_are_filled_with_what_was_said_before",
        "tests/decode/test_looking_backward.py::test_a_block_is_longer_than_there_are_heads",
        "tests/models/test_leaping.py::test_each_head_learns_the_token_so_many_leaps_ahead",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "l-mtp": LEAPS,
                "seven guesses": read(LEAPS, "looking-backward:width=7"),
                "adjacent": FROZEN,
                "left to right": read(LEAPS, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    claims=(
        Claim(
            "Heads that leap reach farther than as many adjacent ones: a draft brings more tokens.",
            More("acceptance_length", than="adjacent"),
        ),
        Claim("They need fewer calls.", Less("calls", than="adjacent")),
        Claim(
            "Cell by cell they guess as well: four guesses are right together more often.",
            More("accepted_4", than="adjacent", of="seven guesses"),
        ),
        Claim(
            "It needs fewer calls than the same model left to right.",
            Less("calls", than="left to right"),
        ),
        Claim(
            "It is quicker than the same model left to right.",
            Less("latency_ms", than="left to right"),
        ),
    ),
    minutes=80,
)
