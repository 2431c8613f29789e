"""Tandem transformers: a small model writes with what a large one knows of the blocks before.

    anyorder reproduce tandem-transformers

The large model is a translator of 6-6 layers that stays as it is; the small one is a decoder layer
of the same width, begins as the large one's last, and sees the source as its encoder knows it. So
does `small alone`, of the same training, which never sees the large model's cells: what it lacks is
the tandem. `draft with an encoder of its own` is a whole translator of 6-1 layers, trained twice as
long, all its weights. The paper trains with blocks of two tokens, and distils in a second stage;
here sizes are drawn from one to eight, and the loss is cross entropy alone. Large models and
encoders run as compiled code, small models as PyTorch's operators: their times are compared among
themselves. As a draft `small alone` reads the source a second time, with an encoder of its own.

What was found: the states of the large decoder help the very next cell (in blocks of one the next
token is 0.08 nats likelier than to the small model alone). Of blocks of two little of that is left,
and in blocks of eight the model does worse than the one that learnt without them. Both small models
see the source as the large encoder knows it, and that helps a draft more.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.tandem_draft import TandemDraft
from anyorder.decode.left_to_right.tandem import Tandem
from anyorder.models.left_to_right.small import SmallSourceLM
from anyorder.models.left_to_right.tandem import TandemSeq2Seq
from anyorder.nets.tandem import SmallDecoder
from anyorder.objectives.tandem import TandemTuning
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.decoders import Drafted
from anyorder.systems.experiments.lessons import BASELINE, DEEP
from anyorder.systems.experiments.next_token import Asked, NextToken
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TANDEM = Way("tandem", begins_with=DEEP, recipe=TUNING)
ALONE = Way("tandem-alone", begins_with=DEEP, recipe=TUNING)


SYSTEM = System(
    number=138,
    slug="tandem-transformers",
    family="draft",
    paper="Nair et al. 2024, arXiv:2402.08644",
    mechanism=(
        "A large model reads the prompt, and then block after block; a small one writes the tokens "
        "of a block, and attends to projections of what the large one knows of all blocks before. "
        "The large one is frozen, and the small one learns the next token with blocks drawn at "
        "random. As a draft the small model sees all that the checked text taught the large one, "
        "and the call that checks a block is the one that reads it."
    ),
    parts=(TandemSeq2Seq, SmallDecoder, SmallSourceLM, TandemTuning, Tandem, TandemDraft),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/models/test_tandem.py::"
        "test_a_cell_sees_the_blocks_before_and_in_blocks_of_one_every_state",
        "tests/models/test_tandem.py::test_it_learns_to_say_what_it_will_say",
        "tests/models/test_tandem.py::test_its_cache_changes_nothing_however_a_text_is_cut",
        "tests/decode/test_tandem.py::test_it_writes_block_by_block",
        "tests/decode/test_tandem.py::test_a_block_of_one_whose_token_is_free_is_left_to_right",
        "tests/decode/test_tandem.py::test_texts_follow_the_large_model",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "tandem-transformers": read(TANDEM, "tandem-draft:width=4"),
                "tandem, block of 1": read(TANDEM, "tandem:block=1"),
                "tandem, block of 2": read(TANDEM, "tandem:block=2"),
                "tandem, block of 4": read(TANDEM, "tandem:block=4"),
                "tandem, block of 8": read(TANDEM, "tandem:block=8"),
                "block of 4, one free": read(TANDEM, "tandem:block=4,free=true"),
                "small alone": ALONE,
                "left to right": read(TANDEM, "left-to-right"),
                "small alone as draft": read(TANDEM, Drafted(ALONE, width=4)),
                "draft with an encoder of its own": read(TANDEM, Drafted(BASELINE, width=4)),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
        NextToken(
            Translate("de"),
            {
                "tandem, block of 1": Asked(TANDEM, block=1),
                "tandem, block of 2": Asked(TANDEM, block=2),
                "tandem, block of 4": Asked(TANDEM, block=4),
                "tandem, block of 8": Asked(TANDEM, block=8),
                "small alone": Asked(ALONE),
                "left to right": Asked(TANDEM),
            },
        ),
    ),
    claims=(
        Claim(
            "In blocks of two it says the next token better than the small model alone.",
            More("next_token_accuracy", than="small alone", of="tandem, block of 2"),
        ),
        Claim(
            "By at least 3.3 %, as the paper has it.",
            More("next_token_accuracy", than="small alone", of="tandem, block of 2", times=1.033),
        ),
        Claim(
            "In blocks of eight it still finds references likelier than the small model alone.",
            Less("nats_per_token", than="small alone", of="tandem, block of 8"),
        ),
        Claim(
            "The shorter the blocks the better: in those of one it is better than in those of "
            "eight.",
            Less("nats_per_token", than="tandem, block of 8", of="tandem, block of 1"),
        ),
        Claim(
            "What it writes in blocks of four is better than what the small model writes alone.",
            More("bleu", than="small alone", of="tandem, block of 4"),
        ),
        Claim(
            "Nor does it lose more than a twentieth of the large model's BLEU.",
            More("bleu", than="left to right", times=0.95, of="tandem, block of 4"),
        ),
        Claim(
            "As a draft it reaches further than the small model alone, of as many guesses.",
            More("acceptance_length", than="small alone as draft"),
        ),
        Claim(
            "And further than a draft model with an encoder of its own.",
            More("acceptance_length", than="draft with an encoder of its own"),
        ),
        Claim(
            "So it takes fewer calls than the small model alone as draft.",
            Less("calls", than="small alone as draft"),
        ),
        Claim(
            "And it is quicker: the source is read once, not twice.",
            Less("latency_ms", than="small alone as draft"),
        ),
        Claim(
            "It needs at most half of the calls of the large model alone.",
            Less("calls", than="left to right", times=0.5),
        ),
    ),
    minutes=150,
)
