"""Two streams: a question knows nothing of what it asks about, and no content of any question."""

import torch

from anyorder.nets.layers import Width
from anyorder.nets.two_streams import TwoStreams

WIDTH = Width(channels=8, heads=2, middle=16)
ORDER = torch.tensor([[0, 2, 1, 3]])  # when each cell is written
CELLS = torch.arange(4)[None]
READ = ORDER[:, None] <= ORDER[..., None]


def made() -> tuple[TwoStreams, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    content_BNC, ask_BQC = torch.randn(1, 4, 8).double(), torch.randn(1, 4, 8).double()
    return TwoStreams(WIDTH, layers=3).double().eval(), content_BNC, ask_BQC


@torch.no_grad()
def test_a_question_is_told_what_comes_before_its_cell_and_nothing_else() -> None:
    streams, content_BNC, ask_BQC = made()
    told_BQN = ORDER[:, None] < ORDER[..., None]
    first = streams(content_BNC, ask_BQC, CELLS, READ, told_BQN)
    for cell in range(4):
        other = content_BNC.clone()
        other[:, cell, 0] += 1.0  # a norm would not see what is added to all
        moved_Q = (streams(other, ask_BQC, CELLS, READ, told_BQN) - first).abs().amax((0, 2)) > 1e-9
        assert moved_Q.tolist() == (ORDER[0] > ORDER[0, cell]).tolist()


@torch.no_grad()
def test_contents_do_not_know_what_is_asked() -> None:
    streams, content_BNC, ask_BQC = made()
    told_BQN = ORDER[:, None] < ORDER[..., None]
    all_BQC = streams(content_BNC, ask_BQC, CELLS, READ, told_BQN)
    one_BQC = streams(content_BNC, ask_BQC[:, 3:], CELLS[:, 3:], READ, told_BQN[:, 3:])
    torch.testing.assert_close(one_BQC, all_BQC[:, 3:])


@torch.no_grad()
def test_who_is_told_nothing_still_says_something() -> None:
    streams, content_BNC, ask_BQC = made()
    nothing = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert bool(streams(content_BNC, ask_BQC, CELLS, READ, nothing).isfinite().all())


@torch.no_grad()
def test_how_far_apart_cells_stand_counts() -> None:
    streams, content_BNC, ask_BQC = made()
    told_BQN = ORDER[:, None] < ORDER[..., None]
    first = streams(content_BNC, ask_BQC, CELLS, READ, told_BQN)
    moved = streams(content_BNC, ask_BQC, CELLS.flip(1), READ, told_BQN)
    assert bool(((moved - first).abs().amax(-1) > 1e-9)[0, 1:].all())
