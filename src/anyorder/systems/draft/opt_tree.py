"""OPT-Tree: the draft tree that the draft model itself expects the most of.

anyorder reproduce opt-tree
"""

from functools import partial

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.draft_tree import FixedTree, OptTree
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import EARLY, MIDDLE
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.system import System

# How often the draft's guess of each rank is what the target says: counted along what the targets
# of three seeds write of 200 held-out sources, 14,109 tokens.
RANK_ODDS = (0.62, 0.13, 0.06, 0.03, 0.02, 0.017, 0.012, 0.01)

SYSTEM = System(
    number=179,
    slug="opt-tree",
    family="draft",
    paper="Wang et al. 2024, arXiv:2406.17276",
    mechanism=(
        "The expected number of right guesses in a draft tree is the sum over its cells of the "
        "odds that the cell and all above it are right, as the draft model has them. Under a "
        "budget of cells the best tree holds those with the highest odds, and no cell has higher "
        "odds than the one above it; so it grows greedily, level by level, anew for every text, "
        "until a level adds too little to be worth its call."
    ),
    parts=(OptTree,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_draft_tree.py::test_no_tree_of_the_same_size_is_expected_to_be_better",
        "tests/decode/test_draft_tree.py::test_what_is_expected_is_what_is_accepted",
    ),
    experiments=(
        DraftPair(
            task=Translate("de"),
            target=MIDDLE,
            draft=EARLY,
            temperature=0.0,
            decoders={
                "opt-tree": partial(OptTree, size=16, threshold=0.0),
                "opt-tree, threshold 0.2": partial(OptTree, size=16),
                "opt-tree, 8 cells": partial(OptTree, size=8, threshold=0.0),
                "fixed tree": partial(FixedTree, size=16, rank_odds=RANK_ODDS),
                "fixed tree, 8 cells": partial(FixedTree, size=8, rank_odds=RANK_ODDS),
                "chain": partial(Speculative, width=16),
                "chain, 8 cells": partial(Speculative, width=8),
            },
        ),
    ),
    claims=(
        Claim(
            "A call writes more tokens than with a fixed tree of as many cells, whose shape is the "
            "best for how often these models agree.",
            More("tokens_per_call", than="fixed tree"),
        ),
        Claim(
            "So it does with half the cells.",
            More("tokens_per_call", than="fixed tree, 8 cells", of="opt-tree, 8 cells"),
        ),
        Claim("And more than with a chain.", More("tokens_per_call", than="chain")),
        Claim(
            "A threshold saves calls of the draft model.",
            Less("draft_calls", than="opt-tree", of="opt-tree, threshold 0.2"),
        ),
    ),
    minutes=75,
)
