"""What the sums over alignments cost, forwards and backwards: seconds, and memory at the highest.

    python -m benchmarks.alignments                   # about two minutes on two cores

Targets have 32 tokens, lattices 64 to 256 cells, 32 rows share a call. Beside ours stand what one
would write without them: for a graph, the forward algorithm in logarithms and autograd; for CTC,
the one that PyTorch has. Each is measured in a process of its own, so that `peak_mib`, how much the
process grew beside its inputs, is its own; `seconds` is the median of several runs, `spread` their
range.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from anyorder.align import ctc, dag
from anyorder.align.lattice import CTCLattice, DAGLattice
from benchmarks.hire import ROOT
from benchmarks.report import report

ROWS: Final = 32
TOKENS: Final = 32
VOCABULARY: Final = 4000
CELLS: Final = (64, 128, 256)


def targets(rng: Generator) -> tuple[Tensor, Tensor]:
    """Random targets of equal length; 0 is the blank."""
    target_BN = torch.randint(1, VOCABULARY, (ROWS, TOKENS), generator=rng)
    return target_BN, torch.full((ROWS,), TOKENS)


def dag_ours(logp_BMV: Tensor, links_BMM: Tensor, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """What `objectives.dag` minimises."""
    count_B = torch.full((ROWS,), logp_BMV.shape[1])
    return -dag.log_likelihood(DAGLattice(logp_BMV, links_BMM, count_B), target_BN, target_B).sum()


def dag_plain(logp_BMV: Tensor, links_BMM: Tensor, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """The same sum as the paper writes it; every step keeps B M M numbers for the way back."""
    emit_BNM = logp_BMV.gather(2, target_BN[:, None].expand(-1, logp_BMV.shape[1], -1)).mT
    first_M = torch.full(logp_BMV.shape[1:2], -1e30)
    first_M[0] = 0.0
    alpha_BM = first_M + emit_BNM[:, 0]
    for n in range(1, TOKENS):
        alpha_BM = (alpha_BM[:, :, None] + links_BMM).logsumexp(1) + emit_BNM[:, n]
    return -alpha_BM[:, -1].sum()


def ctc_ours(logp_BMV: Tensor, links_BMM: Tensor, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """What `objectives.ctc` minimises."""
    count_B = torch.full((ROWS,), logp_BMV.shape[1])
    return -ctc.log_likelihood(CTCLattice(logp_BMV, count_B, 0), target_BN, target_B).sum()


def ctc_torch(logp_BMV: Tensor, links_BMM: Tensor, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """PyTorch's own."""
    count_B = torch.full((ROWS,), logp_BMV.shape[1])
    logp_MBV = logp_BMV.transpose(0, 1)
    return F.ctc_loss(logp_MBV, target_BN, count_B, target_B, blank=0, reduction="sum")


LOSSES: Final[dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]]] = {
    "graph": dag_ours,
    "graph, autograd": dag_plain,
    "ctc": ctc_ours,
    "ctc, PyTorch": ctc_torch,
}


def measured(name: str, cells: int, repeats: int) -> dict[str, float | str | int]:
    """One row, in this process."""
    rng = torch.Generator().manual_seed(0)
    logits_BMV = torch.randn(ROWS, cells, VOCABULARY, generator=rng)
    logp_BMV = logits_BMV.log_softmax(-1).requires_grad_()
    left_MM = torch.ones(cells, cells).tril() > 0
    links_BMM = torch.randn(ROWS, cells, cells, generator=rng).masked_fill(left_MM, -1e30)
    links_BMM = links_BMM.log_softmax(-1).masked_fill(left_MM, -1e30).requires_grad_()
    target_BN, target_B = targets(rng)
    logp_BMV.grad = torch.zeros_like(logp_BMV)  # part of what is there before
    before, seconds, loss = _peak(), list[float](), torch.zeros(())
    for _ in range(1 + repeats):
        begun = time.perf_counter()
        loss = LOSSES[name](logp_BMV, links_BMM, target_BN, target_B)
        loss.backward()
        seconds.append(time.perf_counter() - begun)
    seconds = seconds[1:]  # the first run sets things up
    return {
        "loss": name,
        "cells": cells,
        "tokens": TOKENS,
        "rows_at_once": ROWS,
        "seconds": median(seconds),
        "spread": max(seconds) - min(seconds),
        "peak_mib": _peak() - before,
        "nats": float(loss.detach()) / ROWS,
    }


def _peak() -> float:
    """The most memory that the process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.alignments", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=tuple(LOSSES), help="One loss, in this process.")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "alignments.json")
    asked = parser.parse_args(argv)
    if asked.only:
        torch.set_num_threads(asked.threads)
        print(json.dumps(measured(asked.only, asked.cells[0], asked.repeats)))
        return 0
    rows = []
    for cells in asked.cells:
        for name in LOSSES:
            words = [sys.executable, "-m", "benchmarks.alignments", "--only", name]
            words += ["--cells", str(cells), "--repeats", str(asked.repeats)]
            words += ["--threads", str(asked.threads)]
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
    report(rows, asked.out, threads=asked.threads, vocabulary=VOCABULARY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
