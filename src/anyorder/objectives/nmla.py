"""Non-monotonic latent alignments: a CTC model learns what stands in a target, in whatever order.

    loss = NonMonotonic()(model, batch, progress=0.0, rng=rng)                # F1 of bigrams
    loss = NonMonotonic(f1=0.0, matching=1.0)(model, batch, ...)              # bipartite matching

A model that is trained with CTC is tuned on it: from random weights no bigram is likely enough to
learn from. Then it forgives what CTC punishes: the right words in another order.
Source: Shao & Feng 2022 (arXiv:2210.03953), section 3.
Shapes: B rows, M cells, N target cells, P n-grams of G tokens.
"""

from collections import Counter
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.align.ctc import (
    expected_length,
    expected_ngrams,
    log_likelihood,
)
from anyorder.align.lattice import CTCLattice
from anyorder.align.matching import bipartite
from anyorder.corrupt.glancing import Glancing
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.ctc import aligned
from anyorder.objectives.lattices import lattice_loss


@dataclass(frozen=True)
class NonMonotonic:
    """A weighed sum of three losses of a row, each 0 at best:

    `f1`: (1 - F1 of n-grams of `size` tokens), times the target's tokens, so that a row counts as
    in the other losses; `matching`: - log p of the likeliest alignment with the target's tokens in
    any order, its terms beyond `margin` nats left out (None: all are in); `likelihood`: plain CTC.
    Targets that no alignment fits are left out where the last two count.
    """

    size: int = 2
    f1: float = 1.0
    matching: float = 0.0
    likelihood: float = 0.0
    margin: float | None = 3.32
    glancing: Glancing | None = None

    def __post_init__(self) -> None:
        weights = (self.f1, self.matching, self.likelihood)
        if self.size < 1 or not all(weight >= 0 for weight in weights) or not any(weights):
            raise ValueError(
                f"n-grams have 1 token or more, no weight is negative, and one is above 0: {self}"
            )

    @property
    def plain(self) -> "NonMonotonic":
        """Without glancing."""
        return replace(self, glancing=None)

    def __call__(
        self, model: CTCTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return lattice_loss(
            model,
            batch,
            likelihood=self.merit,
            align=aligned,
            ratio=self.glancing.ratio(progress) if self.glancing else 0.0,
            rng=rng,
        )

    def merit(
        self, lattice: CTCLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """What is maximised: the losses' negative sum; -inf where the target can't be aligned."""
        merit_B = lattice.logp_BMV.new_zeros(len(target_B))
        if self.f1:
            f1_B = ngram_f1(lattice, target_BN, target_B, size=self.size)
            merit_B = merit_B - self.f1 * target_B * (1 - f1_B)
        if self.matching:
            matched_B = matched(lattice, target_BN, target_B, margin=self.margin)
            merit_B = merit_B + self.matching * matched_B
        if self.likelihood:
            logp_B = log_likelihood(lattice, target_BN, target_B)
            merit_B = merit_B + self.likelihood * logp_B
        return merit_B


def ngram_f1(
    lattice: CTCLattice,
    target_BN: Int[Tensor, "B N"],
    target_B: Int[Tensor, " B"],
    *,
    size: int,
) -> Float[Tensor, " B"]:
    """How well the n-grams of what the lattice spells match those of the target:

        F1 = 2 sum_g min(E[c_g(text)], c_g(y)) / (N - n + 1 + max(0, E[|text|] - n + 1))

    A target shorter than n is matched by n-grams of its own length.
    Source: Shao & Feng 2022 (arXiv:2210.03953), section 3.3; there for n of 1 and 2.

    >>> sure_BMV = torch.tensor([[[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]]]).mul(9).log_softmax(-1)
    >>> lattice = CTCLattice(sure_BMV, torch.tensor([3]), blank=0)
    >>> y_BN, y_B = torch.tensor([[2, 1]]), torch.tensor([2])          # it spells 1 2
    >>> [round(float(ngram_f1(lattice, y_BN, y_B, size=n)), 3) for n in (1, 2)]
    [1.0, 0.0]
    """
    own_B = target_B.clamp(1, size)
    spelled_B = expected_length(lattice)
    match_B = torch.zeros_like(spelled_B)
    for n in set(own_B.tolist()):
        grams_BPG, often_BP = _ngrams(target_BN, target_B * (own_B == n), n, lattice.blank)
        match_B = match_B + expected_ngrams(lattice, grams_BPG).minimum(often_BP).sum(-1)
    there_B = (target_B - own_B + 1).clamp_min(0) + (spelled_B - own_B + 1).clamp_min(0)
    return 2 * match_B / there_B.clamp_min(1e-9)


def _ngrams(
    target_BN: Tensor, target_B: Tensor, size: int, blank: int
) -> tuple[Int[Tensor, "B P G"], Float[Tensor, "B P"]]:
    """The different n-grams of each target, and how often each stands there; padded with blanks."""
    rows = zip(target_BN.tolist(), target_B.tolist(), strict=True)
    found = [
        Counter(tuple(row[i : i + size]) for i in range(count - size + 1)) for row, count in rows
    ]
    P = max(1, *map(len, found))
    grams = [[*grams, *[(blank,) * size] * (P - len(grams))] for grams in found]
    often = [[*grams.values(), *[0] * (P - len(grams))] for grams in found]
    device = target_BN.device
    return torch.tensor(grams, device=device), torch.tensor(often, device=device).float()


def matched(
    lattice: CTCLattice,
    target_BN: Int[Tensor, "B N"],
    target_B: Int[Tensor, " B"],
    *,
    margin: float | None = None,
) -> Float[Tensor, " B"]:
    """log p of the likeliest alignment of the target's tokens in any order, one cell each, all
    other cells blank; -inf where there are fewer cells than tokens.

    Terms below - `margin` are left out of the sum: pairs that no alignment makes likely.
    Source: Shao & Feng 2022 (arXiv:2210.03953), section 3.2.1; the margin is as in the authors'
    code.

    >>> logp_BMV = torch.tensor([[[0.2, 0.1, 0.7], [0.2, 0.8, 0.0]]]).log()
    >>> lattice = CTCLattice(logp_BMV, torch.tensor([2]), blank=0)
    >>> p_B = matched(lattice, torch.tensor([[1, 2]]), torch.tensor([2])).exp()
    >>> round(float(p_B), 3)                                        # 2 1, not 1 2
    0.56
    """
    M = lattice.logp_BMV.shape[1]
    real_BM, fits_B = lattice.real_BM, target_B <= lattice.count_B
    real_BN = torch.arange(target_BN.shape[1], device=target_B.device) < target_B[:, None]
    ids_BMN = target_BN.where(real_BN, lattice.blank)[:, None].expand(-1, M, -1)
    logp_BNM = lattice.logp_BMV.gather(2, ids_BMN).mT
    blank_BM = lattice.logp_BMV[..., lattice.blank]
    # finite, though a glanced lattice holds -1e9
    cost_BNM = (blank_BM[:, None] - logp_BNM).detach().double().nan_to_num(0.0).clamp(-1e9, 1e9)
    cell_BN = bipartite(cost_BNM, row_B=target_B * fits_B, column_B=lattice.count_B)
    pair_BN = cell_BN >= 0
    at_BN1 = cell_BN.clamp_min(0)[..., None]
    said_BN = logp_BNM.gather(2, at_BN1)[..., 0]
    taken_BM = torch.zeros(len(target_B), M + 1, dtype=torch.bool, device=target_B.device)
    taken_BM = taken_BM.scatter_(1, cell_BN.where(pair_BN, M), True)[:, :M]
    terms_BX = torch.cat([said_BN, blank_BM], 1)
    counts_BX = torch.cat([pair_BN, real_BM & ~taken_BM], 1)
    if margin is not None:
        counts_BX = counts_BX & (terms_BX >= -margin)
    return terms_BX.where(counts_BX, 0.0).sum(-1).where(fits_B, -torch.inf)
