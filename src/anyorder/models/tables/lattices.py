"""Parallel models that are tables of numbers: laws run on them, with no weights, in seconds.

    model = TableCTC(seed=7, sources=((3, 4), (5,)), vocab_size=6)
    model.ctc()                                  # the lattice of a source follows from its tokens
    TableDAG(seed=7, sources=((3, 4), (5,)), vocab_size=6).dag()

Shapes: B rows, M or N cells, K spans of one cell, T tokens of a span, V vocabulary.
"""

import itertools
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from anyorder.align.lattice import CellLattice, CTCLattice, DAGLattice
from anyorder.canvas import Canvas

Sources = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class TableCTC:
    """Satisfies `CTCModel`: `spread` cells a source token; the last token is the blank."""

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2

    def ctc(self) -> CTCLattice:
        """Normal logits, drawn anew for every source; padding holds what must never be read."""
        rows = [
            3
            * torch.randn(
                len(source) * self.spread,
                self.vocab_size,
                generator=_chance(self.seed, source),
                dtype=torch.float64,
            )
            for source in self.sources
        ]
        logp_BMV = _padded(rows).log_softmax(-1)
        return CTCLattice(logp_BMV, torch.tensor([len(row) for row in rows]), self.vocab_size - 1)


@dataclass(frozen=True)
class TableDenoiser:
    """Satisfies `CTCDenoiser`: the lattice of a `TableCTC`, then one that follows from the draft,
    too, whose tokens are likelier than others, so that texts settle.
    """

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2

    def ctc(self) -> CTCLattice:
        """As `TableCTC` has it."""
        return TableCTC(self.seed, self.sources, self.vocab_size, self.spread).ctc()

    def denoised(self, draft_BM: Tensor) -> CTCLattice:
        """Normal logits, drawn anew for every draft of a row, plus 4 for its own tokens."""
        rows = []
        for source, draft in zip(self.sources, draft_BM.tolist(), strict=True):
            cells = len(source) * self.spread
            rng = _chance(self.seed + 1, (*source, -1, *draft[:cells]))
            size = (cells, self.vocab_size)
            row_MV = 3 * torch.randn(size, generator=rng, dtype=torch.float64)
            row_MV[range(cells), draft[:cells]] += 4
            rows.append(row_MV)
        logp_BMV = _padded(rows).log_softmax(-1)
        return CTCLattice(logp_BMV, torch.tensor([len(row) for row in rows]), self.vocab_size - 1)


@dataclass(frozen=True)
class TableDAG:
    """Satisfies `DAGModel`: `spread` vertices a source token."""

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2

    def dag(self) -> DAGLattice:
        """Normal logits of tokens and of links to the right."""
        ctc = TableCTC(self.seed, self.sources, self.vocab_size, self.spread).ctc()
        M = ctc.logp_BMV.shape[1]
        links = []
        for source in self.sources:
            m = len(source) * self.spread
            scores_MM = 3 * torch.randn(
                m, m, generator=_chance(self.seed + 1, source), dtype=torch.float64
            )
            left_MM = torch.ones(m, m, dtype=torch.bool).tril()
            scores_MM = scores_MM.masked_fill(left_MM, -torch.inf)
            whole_MM = torch.full((M, M), -torch.inf, dtype=torch.float64)
            whole_MM[: m - 1, :m] = scores_MM[:-1].log_softmax(-1)
            links.append(whole_MM)
        return DAGLattice(ctc.logp_BMV, torch.stack(links), ctc.count_B)


@dataclass(frozen=True)
class TableParallel:
    """Satisfies `ParallelModel`: lengths and logits follow from the source and the known cells."""

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2
    bos: int = 0

    def lengths(self) -> Tensor:
        """Normal logits of 1 to 12 cells."""
        rows = [
            torch.randn(12, generator=_chance(self.seed, source), dtype=torch.float64)
            for source in self.sources
        ]
        return (3 * torch.stack(rows)).log_softmax(-1)

    def fill(self, canvas: Canvas) -> Tensor:
        """Normal logits; the number of cells counts, and each known token at its place."""
        B, N = canvas.tokens_BN.shape
        logits_BNV = torch.full((B, N, self.vocab_size), 90.0, dtype=torch.float64)
        for b, source in enumerate(self.sources):
            n = int(canvas.length_B[b])
            cells = zip(canvas.tokens_BN[b].tolist(), canvas.held_BN[b].tolist(), strict=True)
            known = tuple(token if held else -1 for token, held in list(cells)[:n])
            rng = _chance(self.seed, (*source, *known))
            logits_BNV[b, :n] = 3 * torch.randn(
                n, self.vocab_size, generator=rng, dtype=torch.float64
            )
        return logits_BNV.log_softmax(-1)

    def select(self, rows_R: Tensor) -> "TableParallel":
        """These rows, in this order."""
        return replace(self, sources=tuple(self.sources[row] for row in rows_R.tolist()))


@dataclass(frozen=True)
class TableExits:
    """Satisfies `ExitModel`: three tables for three layers; a cell is that of the first layer with
    less `entropy`, else of the last.
    """

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2
    bos: int = 0
    entropy: float = 0.0

    def lengths(self) -> Tensor:
        """As the last layer has them."""
        return self._layer(2).lengths()

    def fill(self, canvas: Canvas) -> Tensor:
        """Normal logits, of the layer at which a cell leaves."""
        logp_BNV = self._layer(2).fill(canvas)
        for number in (1, 0):
            earlier_BNV = self._layer(number).fill(canvas)
            sure_BN = torch.special.entr(earlier_BNV.exp()).sum(-1) < self.entropy
            logp_BNV = torch.where(sure_BN[..., None], earlier_BNV, logp_BNV)
        return logp_BNV

    def select(self, rows_R: Tensor) -> "TableExits":
        """These rows, in this order."""
        return replace(self, sources=tuple(self.sources[row] for row in rows_R.tolist()))

    def exiting(self, entropy: float) -> "TableExits":
        """The same tables, read with another entropy."""
        return replace(self, entropy=entropy)

    def _layer(self, number: int) -> TableParallel:
        return TableParallel(
            self.seed + number, self.sources, self.vocab_size, self.spread, self.bos
        )


@dataclass(frozen=True)
class TableFertility:
    """Satisfies `FertilityModel`: up to `spread` cells a source token; logits follow from both."""

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2

    def fertilities(self) -> Tensor:
        """Normal logits; padding becomes no cell for certain."""
        S, F = max(map(len, self.sources)), self.spread + 1
        logp_BSF = torch.full((len(self.sources), S, F), -torch.inf, dtype=torch.float64)
        logp_BSF[..., 0] = 0.0
        for b, source in enumerate(self.sources):
            rng = _chance(self.seed + 1, source)
            logits_SF = 3 * torch.randn(len(source), F, generator=rng, dtype=torch.float64)
            logp_BSF[b, : len(source)] = logits_SF.log_softmax(-1)
        return logp_BSF

    def copies(self, fertility_BS: Tensor) -> CellLattice:
        """Normal logits, drawn anew for every source with its fertilities."""
        rows = []
        for source, row in zip(self.sources, fertility_BS.tolist(), strict=True):
            rng = _chance(self.seed, (*source, *row[: len(source)]))
            size = (sum(row), self.vocab_size)
            rows.append(3 * torch.randn(size, generator=rng, dtype=torch.float64))
        return CellLattice(_padded(rows).log_softmax(-1), fertility_BS.sum(1))

    def select(self, rows_R: Tensor) -> "TableFertility":
        """These rows, in this order."""
        return replace(self, sources=tuple(self.sources[row] for row in rows_R.tolist()))


@dataclass(frozen=True)
class TableMarkov:
    """Satisfies `MarkovModel`: lengths of up to `spread` cells more than the source has tokens, and
    one more; logits follow from the source, the cell and the span. The last token is the end.
    """

    seed: int
    sources: Sources
    vocab_size: int
    spread: int = 2
    bos: int = 0
    order: int = 4

    @property
    def eos(self) -> int:
        return self.vocab_size - 1

    def lengths(self) -> Tensor:
        """Normal logits, the same number for all rows."""
        rows = [
            torch.randn(7 + self.spread, generator=_chance(self.seed, source), dtype=torch.float64)
            for source in self.sources
        ]
        for row, source in zip(rows, self.sources, strict=True):
            row[len(source) + self.spread + 1 :] = -torch.inf
        return torch.stack(rows).log_softmax(-1)

    def after(self, read_BNKT: Tensor) -> Tensor:
        """Normal logits, drawn anew for every span."""
        B, N, K, _ = read_BNKT.shape
        logits_BNKV = torch.empty(B, N, K, self.vocab_size, dtype=torch.float64)
        for b, n, k in itertools.product(range(B), range(N), range(K)):
            facts = (n, *read_BNKT[b, n, k].tolist(), -1, *self.sources[b])
            logits_BNKV[b, n, k].normal_(0.0, 3.0, generator=_chance(self.seed, facts))
        return logits_BNKV.log_softmax(-1)


def _chance(seed: int, source: tuple[int, ...]) -> Generator:
    return Generator().manual_seed(hash((seed, *source)) % 2**63)  # of integers: always the same


def _padded(rows: list[Tensor]) -> Tensor:
    """Rows of cells, filled up with rows of large numbers."""
    M = max(map(len, rows))
    return torch.stack(
        [torch.cat([row, 50 * torch.randn(M - len(row), row.shape[1]).abs()]) for row in rows]
    )
