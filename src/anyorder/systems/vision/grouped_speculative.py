"""Grouped speculative decoding: a guess is kept for its neighbours' sake; faster, and not exact.

    anyorder reproduce grouped-speculative

The paper's models draw images of thousands of tokens, and draft by Jacobi's iteration. Here images
have 64 cells in 16 levels of grey, each with noise of its own, and a model drafts for itself after
a third of its training; texts are those of a language model whose weights in int8 draft. Groups
look at probabilities; at the embedding, too, where the model shows one (that of images does not).
"""

from functools import partial

from anyorder.data.sprites import Sprites
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.groups import ByGroups, OnTables, Sampled
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.school import LAPTOP, Way
from anyorder.systems.system import System

ALL = 10**6  # neighbours, and so the whole vocabulary: groups by distance alone never change
NOBODY = Speculative(TableLM.random(seed=0, vocab_size=2))  # judges on tables are given no guesses

SYSTEM = System(
    number=136,
    slug="grouped-speculative",
    family="vision",
    paper="So et al. 2025, arXiv:2508.07747",
    mechanism=(
        "A guess is judged together with its neighbours: the tokens next to it when the target's "
        "are sorted by probability, if they are about as probable (and near in the embedding). It "
        "is kept with probability min(1, p(group) / q(group)), and the first that is refused is "
        "drawn again from what p has more than q. Groups are made anew at every token. What is "
        "written does not follow the target exactly; in a group of one it does."
    ),
    parts=(Grouped,),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/decode/test_grouped.py::test_what_is_written_is_what_the_rule_says",
        "tests/decode/test_grouped.py::test_groups_that_are_a_partition_keep_no_less",
        "tests/decode/test_grouped.py::test_groups_that_overlap_may_keep_less",
        "tests/laws/test_8_twins.py::test_a_guess_that_is_alone_in_its_group_is_judged_exactly",
    ),
    experiments=(
        OnTables(
            {
                "tables, exact": Grouped(NOBODY, reach=0),
                "tables, reach 1": Grouped(NOBODY, reach=1),
                "tables, reach 2": Grouped(NOBODY, reach=2),
                "tables, reach 4": Grouped(NOBODY, reach=4),
                "tables, reach 7": Grouped(NOBODY),
                "tables, reach 20": Grouped(NOBODY, reach=20),
                "tables, reach 7, gap 0.002": Grouped(NOBODY, gap=0.002),
            }
        ),
        Sampled(
            kinds=("story", "question", "summary"),
            decoders={
                "text, exact": partial(Speculative, width=8),
                "text, gap 0.02": ByGroups(width=8, gap=0.02),
                "text, gap 0.05": ByGroups(width=8, gap=0.05),
                "text, gap 0.15": ByGroups(width=8),
                "text, near": ByGroups(width=8, distance=4.0),
                "text, static": ByGroups(width=8, gap=1.0, reach=ALL, distance=4.0),
            },
        ),
        DraftPair(
            task=Sprites(),
            target=Way("deep-shallow"),
            draft=Way("deep-shallow", recipe=LAPTOP.until(400)),
            judged=True,
            decoders={
                "speculative-decoding": partial(Speculative, width=8),
                "grouped-speculative": ByGroups(width=8),
                "images, gap 0.05": ByGroups(width=8, gap=0.05),
                "images, gap 0.02": ByGroups(width=8, gap=0.02),
                "images, reach 2": ByGroups(width=8, reach=2),
            },
        ),
    ),
    claims=(
        Claim(
            "A call writes more of an image than with exact speculative decoding.",
            More("tokens_per_call", than="speculative-decoding"),
        ),
        Claim(
            "It writes half as much again.",
            More("tokens_per_call", than="speculative-decoding", times=1.5),
        ),
        Claim(
            "And the images are as near to what they are to show (within 5 %).",
            Less("error", than="speculative-decoding", times=1.05),
        ),
        Claim(
            "On tables groups keep more guesses.",
            More("kept", than="tables, exact", of="tables, reach 7"),
        ),
        Claim(
            "A call writes more of a text, too.",
            More("tokens_per_call", than="text, exact", of="text, gap 0.15"),
        ),
        Claim(
            "Which is no less probable to the target (nats a token within 5 %).",
            Less("nats_per_token", than="text, exact", times=1.05, of="text, gap 0.15"),
        ),
        Claim(
            "Groups of the embedding alone, which never change, gain less.",
            More("tokens_per_call", than="text, static", of="text, gap 0.15"),
        ),
    ),
    minutes=30,
)
