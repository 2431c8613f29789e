"""FastMTP: one multi-token head with shared weights, trained as it drafts.

    anyorder reproduce fastmtp

The paper tunes the head that a large language model brings along. Here it is trained from random
weights, on a small translator, whose decoder layer costs as much as the head's: what a draft costs
is seen in seconds, not in calls. `vanilla` is the same head, trained for its first guess alone.
Of the independent heads each batch trains one, drawn anew; the recursive head learns all its steps
from each batch. Trainings have as many batches. There is one list of frequent tokens, that of the
training's targets, which are of one language; the paper's changes with the language of the prompt.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_heads.recursive_head import RecursiveHead
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.nets.recursive import MultiToken
from anyorder.objectives.recursive import Recursive
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, SelfTaught
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

OWN = SelfTaught()
FAST = Way("fastmtp", begins_with=BASELINE, recipe=TUNING, lessons=OWN)
VANILLA = Way("fastmtp-one-step", begins_with=BASELINE, recipe=TUNING, lessons=OWN)
HEADS = Way("blockwise-frozen", begins_with=BASELINE, recipe=TUNING, lessons=OWN)

SYSTEM = System(
    number=123,
    slug="fastmtp",
    family="draft",
    paper="Cai et al. 2025, arXiv:2509.18362",
    mechanism=(
        "One head, a decoder layer, guesses the token behind the newest one from what the model "
        "knew and the newest token; then it reads its own features and its guess, and goes on. It "
        "is trained for three such steps on what the frozen model writes itself. It guesses "
        "among the tokens that are frequent, while the model checks with all of them."
    ),
    parts=(RecursiveSeq2Seq, MultiToken, Recursive, RecursiveHead),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_recursive_head.py::test_its_guesses_are_those_of_a_head_without_a_cache",
        "tests/decode/test_recursive_head.py::test_a_smaller_vocabulary_changes_no_text",
        "tests/models/test_recursive.py::test_it_learns_the_guesses_that_it_will_make",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "fastmtp": FAST,
                "seven steps": read(FAST, "recursive-head:width=7"),
                "all tokens": read(FAST, "recursive-head:frequent=false"),
                "vanilla": VANILLA,
                "independent heads": read(HEADS, "blockwise:width=3"),
                "seven independent heads": HEADS,
                "left to right": read(FAST, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    claims=(
        Claim(
            "Two guesses are right together more often than those of independent heads.",
            More("accepted_2", than="independent heads"),
        ),
        Claim("So are three.", More("accepted_3", than="independent heads")),
        Claim(
            "So are four, though it was trained for three.",
            More("accepted_4", than="seven independent heads", of="seven steps"),
        ),
        Claim("It needs fewer calls than three heads.", Less("calls", than="independent heads")),
        Claim(
            "Trained for all steps, it goes on better than when trained for the first one.",
            More("accepted_3", than="vanilla"),
        ),
        Claim("So it needs fewer calls.", Less("calls", than="vanilla")),
        Claim(
            "A quarter of the vocabulary is enough: it costs a twentieth of the calls at most.",
            Less("calls", than="all tokens", times=1.05),
        ),
        Claim("To guess among fewer tokens is quicker.", Less("latency_ms", than="all tokens")),
        Claim(
            "It needs at most half of the calls of the same model left to right.",
            Less("calls", than="left to right", times=0.5),
        ),
        Claim(
            "It is quicker than the same model left to right.",
            Less("latency_ms", than="left to right"),
        ),
    ),
    minutes=90,
)
