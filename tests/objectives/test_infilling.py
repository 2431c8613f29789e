"""Fragments written at once: sums over paths, what is seen, and what carries no loss."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.corrupt.spans import Spans
from anyorder.models.parallel.fragments import Fragments, bounds
from anyorder.models.parallel.one_shot import DAGTransformer, ParallelSizes
from anyorder.models.sources import padded
from anyorder.objectives import lattices
from anyorder.objectives.batch import Batch, Loss, ReadsWhatItWrites
from anyorder.objectives.dag import DAG
from anyorder.objectives.infilling import Infilling, infilling_loss
from anyorder.train.batches import Rows
from anyorder.train.loop import train
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.align.oracles import dag_target, log_sum
from tests.train.made import WIDTH, parallel, rows

GAP, EOS = 3, 2
SHORT = Spans(share=0.5, most=3, shortest=1, apart=1)
DAMAGED = (  # sources with gaps, and the fragments that stood in them
    ([5, GAP, GAP, 6, GAP], ([7, 8], [9])),
    ([GAP, 4], ([5],)),
    ([4, GAP, 5, GAP, GAP, GAP, 6, GAP], ([6], [7, 7, 8], [4])),
    ([GAP, GAP], ([4, 4, 4],)),
)


def damaged(*chosen: int) -> Batch:
    pairs = [DAMAGED[i] for i in chosen]
    targets = [[token for f in fragments for token in (*f, EOS)] for _, fragments in pairs]
    return Batch(*padded([source for source, _ in pairs]), *padded(targets))


def network() -> DAGTransformer:
    net = parallel(DAGTransformer)
    assert isinstance(net, DAGTransformer)
    return net.double().eval()


def loss_of(net: DAGTransformer, batch: Batch, ratio: float = 0.0, seed: int = 0) -> Loss:
    return infilling_loss(net, batch, ratio=ratio, rng=Generator().manual_seed(seed))


def by_hand(net: DAGTransformer, source: list[int], fragments: Sequence[Sequence[int]]) -> float:
    """Each fragment in a graph of its own, over every path. All vertices are read together."""
    begun = net.begin(torch.tensor([source]), torch.tensor([len(source)]))
    spread = net.sizes.spread
    gaps = [
        [i * spread + k for i, _ in run for k in range(spread)]
        for is_gap, run in itertools.groupby(enumerate(source), key=lambda cell: cell[1] == GAP)
        if is_gap
        for run in [list(run)]
    ]
    cells = list(itertools.chain(*gaps))
    of_gaps = type(begun)(begun.x_BMC[:, cells], torch.tensor([len(cells)]), begun.memory)
    x_BMC, total, at = net.features(of_gaps), 0.0, 0
    for gap, fragment in zip(gaps, fragments, strict=True):
        own_BMC, count = x_BMC[:, at : at + len(gap)], len(gap)
        links = net.links(own_BMC, torch.tensor([count]))[0].tolist()
        logp = net.logps(own_BMC)[0].tolist()
        logp[-1] = [0.0 if token == EOS else -math.inf for token in range(len(logp[0]))]
        ways = dag_target(logp, links, count, (*fragment, EOS))
        total -= log_sum([*ways.values()])
        at += len(gap)
    return total


def agrees(batch: int) -> None:
    net = network()
    wanted = by_hand(net, *DAMAGED[batch])
    assert float(loss_of(net, damaged(batch)).total.detach()) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("number", range(len(DAMAGED)))
@torch.no_grad()
def test_it_is_the_sum_over_the_paths_of_each_fragment(number: int) -> None:
    agrees(number)


def test_links_that_leave_their_fragment_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant of the test above."""
    right = DAGTransformer.links

    def astray(self: Any, x_BMC: Tensor, count_B: Tensor, *, bound_BM: Any = None) -> Tensor:
        return right(self, x_BMC, count_B)

    monkeypatch.setattr(DAGTransformer, "links", astray)
    agrees(3)  # one gap alone is as before
    for number in (0, 2):
        with pytest.raises(AssertionError):
            agrees(number)


def test_a_row_has_the_same_loss_alone_and_in_company() -> None:
    net = network()
    together = loss_of(net, damaged(0, 1, 2, 3))
    alone = [loss_of(net, damaged(i)) for i in range(4)]
    torch.testing.assert_close(together.total, torch.stack([each.total for each in alone]).sum())
    assert together.units == sum(each.units for each in alone) == 5 + 2 + 8 + 4
    assert together.notes["too long"] == 0


def test_every_vertex_sees_the_other_fragments_and_the_text_but_not_what_is_to_be_written() -> None:
    net, batch = network(), damaged(2)
    fragments = Fragments(net)
    begun = fragments.begin(batch.source_BS, batch.source_B)
    assert begun.count_B.tolist() == [10]
    assert begun.last_BM[0].nonzero()[:, 0].tolist() == [1, 7, 9]
    assert bounds(begun.last_BM)[0].tolist() == [1, 1] + [7] * 6 + [9, 9]
    moved = begun.x_BMC.detach().clone().requires_grad_()
    states = begun.memory.states_BSC
    states.retain_grad()
    lattice = fragments.lattice(fragments.glanced(begun, torch.zeros(1, 10).long(), _none(10)))
    open_BMM = lattice.links_BMM > -math.inf
    for i, j in itertools.product(range(10), range(10)):
        gap = [0, 0, 1, 1, 1, 1, 1, 1, 2, 2]
        inside = i < j and gap[i] == gap[j]
        assert bool(open_BMM[0, i, j]) == (inside or (i, j) in ((1, 2), (7, 8)))
    torch.testing.assert_close(lattice.links_BMM[0, :9].exp().sum(-1), torch.ones(9))
    cells = type(begun)(moved, begun.count_B, begun.memory, begun.last_BM)
    fragments.lattice(cells).logp_BMV[0, 0, 7].backward()  # of a vertex of the first fragment
    assert moved.grad is not None
    assert bool((moved.grad[0].abs().sum(-1) > 0).all())
    assert states.grad is not None
    assert bool((states.grad[0].abs().sum(-1) > 0).all())


def _none(cells: int) -> Tensor:
    return torch.zeros(1, cells, dtype=torch.bool)


def test_a_text_is_what_is_left_of_it_and_what_was_taken_out() -> None:
    batch = rows(60).batch(range(60))
    net, objective = network(), Infilling(SHORT, room=(1.0, 2.0))
    made = objective.damaged(net, batch, Generator().manual_seed(1))
    sides = [(batch.source_BS, batch.source_B), (batch.target_BN, batch.target_B)]
    texts = [row[:n].tolist() for side, count in sides for row, n in zip(side, count, strict=True)]
    assert len(made.source_B) == len(texts) == 120
    seen = set[tuple[int, int]]()
    for b, text in enumerate(texts):
        left = made.source_BS[b, : made.source_B[b]].tolist()
        out = made.target_BN[b, : made.target_B[b]].tolist()
        runs = [[token == GAP, list(run)] for token, run in itertools.groupby(left)]
        fragments = _split(out)
        assert sum(is_gap for is_gap, _ in runs) == len(fragments)
        whole: list[int] = []
        for is_gap, run in runs:
            if is_gap:
                fragment = fragments.pop(0)
                whole += fragment
                assert len(run) * net.sizes.spread > len(fragment)
                seen.add((len(fragment), len(run)))
            else:
                whole += run
        assert whole == text
    assert {gap for n, gap in seen if n == 1} == {1, 2}, "its size does not tell the length"


def _split(out: list[int]) -> list[list[int]]:
    """Fragments, each of which has an end behind it."""
    assert out[-1] == EOS
    runs = [list(run) for is_end, run in itertools.groupby(out, EOS.__eq__) if not is_end]
    assert len(runs) == out.count(EOS)
    return runs


def test_a_ratio_of_nothing_is_plain_and_chance_is_the_generators() -> None:
    net, batch = network(), rows().batch(range(7))
    never = Infilling(SHORT, glancing=Glancing(1e-9, 1e-9))
    assert never.plain == Infilling(SHORT)
    assert isinstance(never, ReadsWhatItWrites)
    assert not isinstance(DAG(), ReadsWhatItWrites)

    def total(objective: Infilling, seed: int) -> float:
        rng = Generator().manual_seed(seed)
        return float(objective(net, batch, progress=0.5, rng=rng).total.detach())

    assert total(never, 3) == total(never.plain, 3) == total(never, 3) != total(never, 4)


def test_what_is_shown_carries_no_loss_and_ends_are_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, batch = network(), damaged(0, 2)
    begun = Fragments(net).begin(batch.source_BS, batch.source_B)
    given: list[tuple[Tensor, Tensor]] = []

    def watch(wrong_BM: Tensor, *, ratio: float, open_BM: Tensor, rng: Generator) -> Tensor:
        shown_BM = glanced(wrong_BM | open_BM, ratio=ratio, open_BM=open_BM, rng=rng)
        given.append((open_BM, shown_BM))
        return shown_BM

    monkeypatch.setattr(lattices, "glanced", watch)
    some = loss_of(net, batch, ratio=0.5)
    [(open_BM, shown_BM)] = given
    assert open_BM.sum(-1).tolist() == [3, 5]
    assert not bool((open_BM & begun.last_BM).any())
    assert shown_BM.sum(-1).tolist() == [2, 2]
    assert bool(some.total.isfinite())
    assert some.units == loss_of(net, batch).units
    all_of_it = loss_of(net, batch, ratio=1.0)
    all_of_it.total.backward()
    for parameter in net.target.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())
    gate = net.gate.weight.grad
    assert gate is not None
    assert float(gate.abs().sum()) > 0, "where all tokens are shown, links are learnt alone"


def test_a_text_of_one_token_is_a_gap_alone() -> None:
    net, batch = network(), Rows(([4], [4, 5]), ([6], [7])).batch([0, 1])
    loss = Infilling()(net, batch, progress=0.0, rng=Generator().manual_seed(0))
    assert loss.notes["too long"] == 0
    assert float(loss.total.detach()) > 0


def test_two_vocabularies_and_no_room_are_refused() -> None:
    sizes = ParallelSizes(source_vocab=10, target_vocab=12, decoder_layers=1, width=WIDTH)
    with pytest.raises(ValueError, match="one vocabulary of 10 tokens for sources and another"):
        Infilling()(
            DAGTransformer(sizes), rows().batch([0]), progress=0.0, rng=Generator().manual_seed(0)
        )
    for room in ((0.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="the room of a gap"):
            Infilling(room=room)


def test_it_learns_what_stood_there_from_what_is_left(tmp_path: Path) -> None:
    """Texts count upwards, so a gap can be filled in."""
    counts = [[begin + n for n in range(length)] for begin in (4, 5) for length in (3, 4, 5)]
    texts = Rows(tuple(counts * 9), tuple(counts[::-1] * 9))
    net = parallel(DAGTransformer)
    recipe = Recipe(
        steps=150,
        cells=120,
        schedule=InverseRoot(peak=5e-3, warmup=10),
        precision="float32",
        check_every=50,
        average=1,
    )
    objective = Infilling(Spans(share=0.4, shortest=1, apart=1), glancing=Glancing(0.2, 0.2))
    trained = train(net, objective, texts, texts, recipe, tmp_path)
    assert trained.left_out == 0
    assert trained.held_out < 0.45
    shuffled = [[row[0], *torch.randint(4, 10, (len(row) - 1,)).tolist()] for row in counts * 9]
    noise = Rows(tuple(shuffled), tuple(shuffled))
    other = objective(
        net.eval(), noise.batch(range(54)), progress=1.0, rng=Generator().manual_seed(0)
    )
    assert float(other.total.detach()) / other.units > 2 * trained.held_out
