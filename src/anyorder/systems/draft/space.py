"""SPACE: one call checks a draft and foretells the next one behind masks.

    anyorder reproduce space

All rows are the same model, read in different ways, but for the one that it begins with.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_heads.space import Space
from anyorder.models.left_to_right.semi_autoregressive import SemiAutoregressiveSeq2Seq
from anyorder.objectives.semi_autoregressive import SemiAutoregressiveTuning
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import DEEP
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TUNED = Way("space", begins_with=DEEP, recipe=TUNING)


SYSTEM = System(
    number=58,
    slug="space",
    family="draft",
    paper="Yi et al. 2024, arXiv:2402.11809",
    mechanism=(
        "Half of the rows of a second training are cut off at random and go on with masks, each of "
        "which stands for a token; so the model foretells several tokens at once, and still writes "
        "left to right. A call reads a draft, and masks behind each of its tokens. It checks the "
        "draft, and what the masks behind the last right token say is the next one."
    ),
    parts=(SemiAutoregressiveSeq2Seq, SemiAutoregressiveTuning, Space),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_space.py::test_a_round_costs_one_call",
        "tests/decode/test_space.py::test_it_takes_the_calls_that_its_masks_deserve",
        "tests/decode/test_space.py::test_no_probe_is_counted_as_a_guess",
        "tests/objectives/test_semi_autoregressive.py::test_the_loss_is_that_of_each_row_by_itself",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "space": read(TUNED, "space"),
                "three masks": read(TUNED, "space:width=3"),
                "draft, then verify": read(TUNED, "space:fused=false"),
                "left to right": read(TUNED, "left-to-right"),
                "before tuning, left to right": DEEP,
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    claims=(
        Claim(
            "It needs fewer calls than the same model that drafts in a call of its own.",
            Less("calls", than="draft, then verify"),
        ),
        Claim(
            "It needs at most half of the calls of left to right.",
            Less("calls", than="left to right", times=0.5),
        ),
        Claim(
            "It is quicker than the same model left to right.",
            Less("latency_ms", than="left to right"),
        ),
        Claim(
            "It is quicker than the same model that drafts in a call of its own.",
            Less("latency_ms", than="draft, then verify"),
        ),
        Claim(
            "Five masks take fewer calls than three.",
            Less("calls", than="three masks"),
        ),
        Claim(
            "After this tuning it has at least 95 % of the BLEU that it had before.",
            More("bleu", than="before tuning, left to right", times=0.95),
        ),
    ),
    minutes=60,
)
