"""Mask-predict against the algorithm written out, cell by cell."""

import pytest
import torch

from anyorder.canvas import DONE, DRAFT, GIVEN, OPEN, PAD, Canvas
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.lattices import TableParallel
from anyorder.trace import fold

SOURCES = ((3, 4, 2), (1,), (5, 5))


def sampler() -> Sampler:
    return Sampler(Sampling(), Coins.of_seeds([0, 0, 0], cells=20))


def canvas(new: int = 19) -> Canvas:
    return Canvas.of_prompts([[0]] * 3, new_cells=[new] * 3)


def written_out(model: TableParallel, iterations: int, candidates: int) -> list[int]:
    """The text of a model of one source: all candidates, one by one."""
    best: tuple[float, list[int]] | None = None
    logp_L = model.lengths()[0]
    for length in logp_L.topk(candidates).indices.tolist():
        tokens: list[int | None] = [None] * length
        logps = [0.0] * length
        for call in range(1, iterations + 1):
            cells = torch.tensor([[0, *(token or 0 for token in tokens)]])
            status = [GIVEN, *(OPEN if token is None else DRAFT for token in tokens)]
            seen = Canvas(
                cells, torch.tensor([status], dtype=torch.uint8), torch.zeros(1, length + 1)
            )
            said = model.fill(seen)[0, 1:]
            for i, token in enumerate(tokens):
                if token is None:
                    tokens[i], logps[i] = int(said[i].argmax()), float(said[i].max().float())
            again = length * (iterations - call) // iterations
            for i in sorted(range(length), key=lambda i: logps[i])[:again]:
                tokens[i] = None
        score = (sum(logps) + float(logp_L[length])) / (1 + length)
        if best is None or score > best[0]:
            best = score, [int(token or 0) for token in tokens]
    assert best is not None
    return best[1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("iterations", "candidates"), [(1, 1), (3, 1), (4, 3), (10, 2)])
def test_it_writes_what_the_algorithm_writes(seed: int, iterations: int, candidates: int) -> None:
    decoder = MaskPredict(iterations=iterations, candidates=candidates)
    end = fold(run(decoder, TableParallel(seed, SOURCES, 6), canvas(), sampler()))
    for b, source in enumerate(SOURCES):
        alone = TableParallel(seed, (source,), 6)
        assert end.row(b)[1:] == written_out(alone, iterations, candidates)


def test_cells_are_drafts_until_the_last_call_and_fewer_are_opened_each_time() -> None:
    model = TableParallel(2, SOURCES, 6)
    made = list(steps(MaskPredict(iterations=4), model, canvas(), sampler()))
    assert len(made) == 4
    for _, after in made[:-1]:
        assert bool((after.status_BN[:, 1:] <= DRAFT).all())
    drafts = [int((after.status_BN == DRAFT).sum()) for _, after in made[:-1]]
    assert drafts == sorted(drafts)
    last = made[-1][1]
    assert set(last.status_BN.unique().tolist()) <= {PAD, DONE, GIVEN}


def test_a_canvas_that_is_too_small_cuts_the_text() -> None:
    model = TableParallel(0, SOURCES, 6)
    whole = fold(run(MaskPredict(), model, canvas(), sampler()))
    short = fold(run(MaskPredict(), model, canvas(2), sampler()))
    for b in range(3):
        assert short.row(b) == whole.row(b)[:3]


@pytest.mark.parametrize("options", [{"iterations": 0}, {"candidates": 0}])
def test_bad_options(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 iteration and 1 length or more"):
        MaskPredict(**options)
