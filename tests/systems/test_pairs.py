"""One model that drafts for another: what is counted."""

from functools import partial

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.draft_verify.from_models.draft_tree import OptTree
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.school import Way


def test_a_model_that_drafts_for_itself_is_never_refused() -> None:
    """So every call but the last of a text writes all that it can."""
    own = Way("deep-shallow")
    pair = DraftPair(
        task=CopyOrReverse(length=3, alphabet=5, pairs=50),
        target=own,
        draft=own,
        decoders={
            "one token": partial(Speculative, width=1),
            "three": partial(Speculative, width=3),
            "two drafts": partial(Speculative, width=3, drafts=2),
            "a chain": partial(OptTree, size=3, threshold=0.0),
        },
    )
    rows = pair.measure(Bench(seeds=1, quick=True), 0)
    assert 1 < rows["one token"]["tokens_per_call"] <= 2
    assert 2 < rows["three"]["tokens_per_call"] <= 4
    assert rows["three"]["tokens_per_call"] == rows["two drafts"]["tokens_per_call"]
    assert rows["a chain"]["tokens_per_call"] <= 4
    assert rows["one token"]["draft_calls"] > rows["three"]["draft_calls"] / 3
