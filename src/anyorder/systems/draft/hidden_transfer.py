"""Hidden transfer: the layers themselves carry cells for the tokens to come, beside the real ones.

    anyorder reproduce hidden-transfer

A deep translator stands for the paper's language models. Heads run as compiled code and transfers
as PyTorch's operators: calls and guesses of theirs are compared, seconds are not. A cell that gets
pseudo cells costs more than one that heads read, and `cells` counts real ones alone. A head has
eight times the weights of a transfer. At which layers to transfer the abstract does not say: here
all three tokens begin at one layer, and three such layers are tried.

What was found: the first transferred token is right a little more often than that of a head, with
an eighth of the weights; those behind it are right less often. So the calls are the same, 16 in a
chain and 12 in a tree, of 21. Pseudo cells that pass three layers are better than those that pass
one, and those that pass five no better. In time neither pays for a network so small, and a transfer
pays least: its cells pass the layers that are left, three for each cell of a tree.
"""

from dataclasses import replace

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_heads.head_tree import HeadTree
from anyorder.models.left_to_right.transfer import TransferSeq2Seq
from anyorder.nets.heads import Heads
from anyorder.nets.transfer import Transfers
from anyorder.objectives.foretell import Foretell
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import DEEP
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

HEADS = Way("deep-heads", begins_with=DEEP, recipe=TUNING)
TRANSFER = replace(HEADS, paradigm="hidden-transfer")
EARLY = replace(HEADS, paradigm="hidden-transfer-early")
LATE = replace(HEADS, paradigm="hidden-transfer-late")


SYSTEM = System(
    number=99,
    slug="hidden-transfer",
    family="draft",
    paper="Wu et al. 2024, arXiv:2404.12022",
    mechanism=(
        "After some layers a linear map makes, of the state of each cell, the states of the three "
        "tokens that will stand behind its next one. These pseudo cells pass the layers that are "
        "left at their own places, see the cells before them, and end in the same head; real cells "
        "never see them. A call checks a tree of guesses, and gives each of its cells the guesses "
        "of the next tree. The model is frozen, and the maps learn its own distributions."
    ),
    parts=(TransferSeq2Seq, Transfers, Heads, Foretell, HeadTree, Blockwise),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/models/test_transfer.py::test_pseudo_cells_are_cells_behind_the_text",
        "tests/models/test_transfer.py::test_what_is_learnt_is_what_is_decoded",
        "tests/models/test_transfer.py::test_the_model_says_bit_for_bit_what_it_said",
        "tests/decode/test_head_tree.py::test_no_tree_of_the_heads_is_likelier",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "hidden-transfer": read(TRANSFER, "head-tree"),
                "transfer, chain": read(TRANSFER, "blockwise"),
                "transfer, left to right": read(TRANSFER, "left-to-right"),
                "five layers, chain": read(EARLY, "blockwise"),
                "one layer, chain": read(LATE, "blockwise"),
                "heads, tree": read(HEADS, "head-tree"),
                "heads, chain": read(HEADS, "blockwise"),
                "left to right": DEEP,
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    claims=(
        Claim(
            "The first transferred token is right more often than that of a head.",
            More("accepted_1", than="heads, chain", of="transfer, chain"),
        ),
        Claim(
            "The first two are both right more often.",
            More("accepted_2", than="heads, chain", of="transfer, chain"),
        ),
        Claim(
            "All three are right more often.",
            More("accepted_3", than="heads, chain", of="transfer, chain"),
        ),
        Claim(
            "So a chain of transferred tokens takes fewer calls than one of heads.",
            Less("calls", than="heads, chain", of="transfer, chain"),
        ),
        Claim("And so does a tree.", Less("calls", than="heads, tree")),
        Claim("A tree takes fewer calls than a chain.", Less("calls", than="transfer, chain")),
        Claim(
            "A tree needs at most half of the calls of left to right.",
            Less("calls", than="left to right", times=0.5),
        ),
        Claim(
            "It is quicker than the same model left to right, both by PyTorch's operators.",
            Less("latency_ms", than="transfer, left to right"),
        ),
        Claim(
            "Pseudo cells need layers: three are better than one.",
            More("accepted_1", than="one layer, chain", of="transfer, chain"),
        ),
        Claim(
            "Transferred from too low a layer, they are worse: five are no better than three.",
            More("accepted_1", than="five layers, chain", of="transfer, chain"),
        ),
    ),
    minutes=360,
)
