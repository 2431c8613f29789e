"""The meter counts every call of every model that it watches, and gets in nobody's way."""

import inspect

import torch

from anyorder.masks import Tree
from anyorder.meter import Call, Cost, Meter, Metered, beside, reading
from anyorder.models.capability import CausalLM, CTCModel, missing
from anyorder.models.further import SetBlockLM
from anyorder.models.tables.language_model import TableLM

MODEL = TableLM.random(seed=0, vocab_size=5)


def test_a_watched_model_says_the_same_and_is_counted() -> None:
    meter = Meter()
    watched = meter.watch(MODEL)
    tokens_BT, tree = torch.tensor([[1, 2, 3]]), Tree(torch.tensor([[-1, 0, 0]]))
    score_BS = torch.tensor([[2]])
    said = watched.extend(tokens_BT, watched.new_cache(1, 9), tree=tree, score_BS=score_BS)
    own = MODEL.extend(tokens_BT, MODEL.new_cache(1, 9), tree=tree, score_BS=score_BS)
    assert torch.equal(said, own)
    (call,) = meter.take()
    assert (call.role, call.tokens_BT, call.parents_BT) == ("target", [[1, 2, 3]], [[-1, 0, 0]])
    assert call.cells == 3
    assert call.seconds > 0


def test_taking_empties_the_meter() -> None:
    meter = Meter()
    watched = meter.watch(MODEL)
    for _ in range(2):
        watched.extend(torch.tensor([[1], [2]]), watched.new_cache(2, 1))
    assert [call.parents_BT for call in meter.take()] == [None, None]
    assert meter.take() == []


def test_a_watched_model_has_all_that_the_model_has() -> None:
    watched = Meter().watch(MODEL)
    assert isinstance(watched, CausalLM)
    assert (watched.vocab_size, watched.max_length) == (5, MODEL.max_length)
    assert watched.logits_HV is MODEL.logits_HV


def test_a_model_beside_a_watched_one_is_counted_as_a_draft() -> None:
    meter = Meter()
    draft = beside(meter.watch(MODEL), MODEL)
    draft.extend(torch.tensor([[1]]), draft.new_cache(1, 1))
    assert [call.role for call in meter.take()] == ["draft"]
    assert not isinstance(beside(MODEL, MODEL), Metered)  # nobody counts, so nobody is counted


def test_cells_are_counted_with_their_padding() -> None:
    assert Call("target", 0.0, [[1, 2, 0], [1, 2, 3]], None).cells == 6


def called(*rows: list[int], probes: int = 0) -> Call:
    return Call("target", 1.0, list(rows), None, probes)


def test_a_prompt_is_read_slice_by_slice_and_by_nothing_else() -> None:
    """Shorter rows are padded; what is said behind the prompt may be probed."""
    slices = [called([5, 6], [8, 0]), called([7, 1], [0, 0], probes=1)]
    assert reading([*slices, called([5]), called([6])], [5, 6, 7]) == slices
    assert reading([*slices[::-1]], [5, 6, 7]) == [], "this is no prompt"


def test_a_call_that_guesses_or_fills_is_none_that_reads_the_prompt() -> None:
    guessing, whole = called([5, 1]), called([5, 6, 0, 0])
    assert reading([guessing], [5]) == []
    assert reading([whole], [5, 6]) == []
    assert reading([called([0])], []) == []
    assert reading([called([])], [5]) == []


def test_rates_of_nothing_are_nothing() -> None:
    assert (Cost().tokens_per_call, Cost().tokens_per_second) == (0.0, 0.0)
    cost = Cost(calls=4, tokens=10, seconds=2.0)
    assert (cost.tokens_per_call, cost.tokens_per_second) == (2.5, 5.0)


def test_what_two_runs_cost_together_is_every_figure_of_both() -> None:
    one, other = Cost(1, 2, 3, 0.5, 0.25, 0.125, 0.0625, 8), Cost(10, 20, 30, 5, 4, 3, 2, 80)
    assert one + other == Cost(11, 22, 33, 5.5, 4.25, 3.125, 2.0625, 88)


def test_a_protocol_sees_what_is_only_passed_on() -> None:
    """From Python 3.12 on, `isinstance` asks no `__getattr__`."""
    watched = Meter().watch(Meter().watch(MODEL))
    for name in ("hole", "longest_block", "logits_HV"):
        inspect.getattr_static(watched, name)
    assert not missing(watched, (SetBlockLM,))
    assert missing(Meter().watch(object()), (CTCModel,)) == ["CTCModel"]  # though it has `ctc`
