"""Set Block Decoding: a block's cells in any order, as many at once as are sure together.

    anyorder reproduce set-block-decoding

The model is the same in all rows but the last: it is read with blocks of several sizes, and with
more or less doubt.
"""

from anyorder.data.translate import Translate
from anyorder.decode.refine.set_block import SetBlock
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.objectives.set_block import SetBlockTuning
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import DEEP
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TUNED = Way("set-block", begins_with=DEEP, recipe=TUNING)


SYSTEM = System(
    number=122,
    slug="set-block-decoding",
    family="draft",
    paper="Gat et al. 2025, arXiv:2509.04185",
    mechanism=(
        "One network writes left to right, and fills a block of masks and known tokens that it "
        "reads from both sides. Each call writes those cells of the block whose entropies, but for "
        "the greatest, stay below a bound in sum, wherever they stand. A full block is read once "
        "more left to right, together with the next one, so that the cache is exact; the text is "
        "not that of left to right."
    ),
    parts=(SetBlockSeq2Seq, SetBlockTuning, SetBlock),
    laws=(3, 4, 5, 6, 7, 8),
    own_laws=(
        "tests/decode/test_set_block.py::test_it_writes_what_a_plain_loop_writes",
        "tests/decode/test_set_block.py::test_a_block_of_one_is_left_to_right",
        "tests/decode/test_set_block.py::test_without_doubt_it_writes_one_cell_a_call",
        "tests/decode/test_set_block.py::test_its_cache_is_that_of_left_to_right",
        "tests/objectives/test_set_block.py::test_the_loss_is_that_of_what_a_decoder_reads",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "set-block-decoding": read(TUNED, "set-block:block=8,gamma=0.5"),
                "little doubt": read(TUNED, "set-block:block=8,gamma=0.1"),
                "much doubt": read(TUNED, "set-block:block=8,gamma=2"),
                "blocks of four": read(TUNED, "set-block:block=4,gamma=0.5"),
                "blocks of sixteen": read(TUNED, "set-block:block=16,gamma=0.5"),
                "one cell a call": read(TUNED, "set-block:block=8,gamma=0"),
                "left to right": read(TUNED, "left-to-right"),
                "before tuning, left to right": DEEP,
            },
            timed=128,
        ),
    ),
    claims=(
        Claim(
            "It needs a third of the calls of left to right.",
            Less("calls", than="left to right", times=1 / 3),
        ),
        Claim(
            "That costs at most a twentieth of the BLEU.",
            More("bleu", than="left to right", times=0.95),
        ),
        Claim(
            "Against the model that it began with, too.",
            More("bleu", than="before tuning, left to right", times=0.95),
        ),
        Claim(
            "The same network left to right is as good as before its tuning.",
            More("bleu", than="before tuning, left to right", times=0.95, of="left to right"),
        ),
        Claim(
            "More doubt takes fewer calls.",
            Less("calls", than="set-block-decoding", of="much doubt"),
        ),
        Claim(
            "Less doubt makes a better text.",
            More("bleu", than="much doubt", of="little doubt"),
        ),
        Claim(
            "Blocks of eight take fewer calls than blocks of four.",
            Less("calls", than="blocks of four"),
        ),
        Claim(
            "It is quicker than the same network left to right.",
            Less("latency_ms", than="left to right"),
        ),
    ),
    minutes=70,
)
