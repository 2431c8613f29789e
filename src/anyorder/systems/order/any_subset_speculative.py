"""Any-subset speculative decoding: a model that is told any cells fills holes, and checks itself.

    anyorder reproduce any-subset-speculative

The paper tunes XLNet, of 110 million weights, on web text; here a network of a million weights
learns short sentences of German help pages from nothing, in minutes: cut into few letters each, for
what stands beside a letter is soon learnt. Of their tokens 60 % are hidden, wherever they stand.
"""

from anyorder.data.translate import Translate
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.models.any_subset import AnySubsetTransformer
from anyorder.objectives.any_subset import GivenSubset
from anyorder.systems.claims import AtLeast, AtMost, Claim, Less, More
from anyorder.systems.experiments.infilled import Infilled
from anyorder.systems.experiments.school import Way, read
from anyorder.systems.system import System
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine

FILLING = Recipe(steps=1300, cells=2048, schedule=Cosine(peak=3e-3, warmup=50), check_every=325)
FILLER = Way("any-subset", "any-subset:width=8")
JOINT = Way("any-subset-joint", "any-subset:width=8")

SYSTEM = System(
    number=119,
    slug="any-subset-speculative",
    family="order",
    paper="Guo and Ermon 2025, arXiv:2504.20456",
    mechanism=(
        "A network of two streams is told any of the cells and says what the others hold: those "
        "that were given come first, the rest follow from left to right. One call drafts the next "
        "cells as if they were independent; a second tells each of them the drafts before it, and "
        "so has the true conditionals. Drafts are kept or redrawn as in speculative sampling, so "
        "that the joint distribution stays, in at most as many calls as tokens."
    ),
    parts=(AnySubsetTransformer, GivenSubset, AnySubset, Unchecked),
    laws=(3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_any_subset.py::test_texts_follow_the_joint_distribution",
        "tests/decode/test_any_subset.py::test_texts_of_a_network_follow_its_joint_distribution",
        "tests/decode/test_any_subset.py::test_calls_are_at_most_the_tokens",
        "tests/models/test_any_subset.py::test_a_draft_that_is_kept_was_told_as_it_will_be",
        "tests/objectives/test_any_subset.py::test_the_loss_is_that_of_the_hidden_cells_in_order",
    ),
    experiments=(
        Infilled(
            task=Translate("de", longest=12, vocabulary=400),
            ways={
                "any-subset-speculative": FILLER,
                "four at a time": read(FILLER, "any-subset:width=4"),
                "sixteen at a time": read(FILLER, "any-subset:width=16"),
                "one by one": read(FILLER, "any-subset:width=1"),
                "all at once, unchecked": read(FILLER, "unchecked"),
                "four at once, unchecked": read(FILLER, "unchecked:width=4"),
                "drafts not learnt": JOINT,
                "drafts not learnt, one by one": read(JOINT, "any-subset:width=1"),
            },
            beside="one by one",
            recipe=FILLING,
            texts=1000,
        ),
    ),
    claims=(
        Claim(
            "It needs two thirds of the calls of one token after the other.",
            Less("calls", than="one by one", times=2 / 3),
        ),
        Claim("No text takes more calls than tokens.", AtMost("calls_per_token", 1.0)),
        Claim(
            "Its texts are as likely, to a twentieth of a nat a token.",
            AtMost("nats_above", 0.05),
        ),
        Claim(
            "All tokens at once make less likely texts.",
            AtLeast("nats_above", 0.05, of="all at once, unchecked"),
        ),
        Claim(
            "It is quicker than one token after the other.",
            Less("latency_ms", than="one by one"),
        ),
        Claim(
            "In batches, too.",
            More("per_second", than="one by one"),
        ),
        Claim(
            "Learning drafts beside the likelihood saves calls.",
            Less("calls", than="drafts not learnt"),
        ),
    ),
    minutes=45,
)
