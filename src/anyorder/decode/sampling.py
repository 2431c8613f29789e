"""From logits to a token: filters, the distribution that is left, and the pick.

    sampler = Sampler(Sampling(temperature=0.8, top_p=0.9), Coins.of_seeds([7], cells=64))
    tokens_BS = sampler.pick(logits_BSV, cells_BS)

Filters are applied in the order of `transformers`: logit bias, repetition penalty, temperature,
top-k, top-p, min-p. Probabilities are float64. All randomness arrives in `Coins`, one per canvas
cell: a row's text depends on its own seed alone, not on its neighbours, nor on how many cells
were drafted. Shapes: B rows, S scored cells, V vocabulary, N canvas cells, H history.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

PICK: Final = 0  # the coin that draws a token from the model
ACCEPT: Final = 1  # the coin that accepts or refuses a drafted token
DRAW: Final = 2  # the coin with which a draft model draws; DRAW + j, for its j-th other guess
DRAFTS: Final = 8  # guesses of a draft model for one cell, at the most
FEW: Final = 1024  # likeliest tokens that are looked at before all are sorted


@dataclass(frozen=True)
class Coins:
    """Uniform numbers in [0, 1): several for each cell of each row, fixed by the row's seed.

    `coins_BNC`: PICK, ACCEPT, DRAW, and more for other guesses.
    """

    coins_BNC: Float64[Tensor, "B N C"]

    @staticmethod
    def of_seeds(seeds: Sequence[int], *, cells: int) -> "Coins":
        """More cells never change the coins of the cells before them."""
        rows = [np.concatenate([_coins(s, (), cells, 3), _more(s, cells)], 1) for s in seeds]
        return Coins(torch.from_numpy(np.array(rows).reshape(len(seeds), cells, DRAW + DRAFTS)))

    def at(self, cells_BS: Int[Tensor, "B S"], kind: int) -> Float64[Tensor, "B S"]:
        """The coins of these cells; beyond the canvas the last cell's (never written)."""
        return self.coins_BNC[..., kind].gather(1, cells_BS.clamp_max(self.coins_BNC.shape[1] - 1))


def _coins(seed: int, key: tuple[int, ...], cells: int, kinds: int) -> np.ndarray:
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.Generator(np.random.Philox(sequence)).random((cells, kinds))


def _more(seed: int, cells: int) -> np.ndarray:
    """From a stream of their own, so that they don't change the others."""
    return _coins(seed, (1,), cells, DRAFTS - 1)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What the user asks of the distribution. Temperature 0 is greedy decoding.

    `repetition_penalty` as in CTRL (Keskar et al. 2019, arXiv:1909.05858, section 4.1), over
    prompt and text; `logit_bias` is added to the logits of its tokens (-inf: never this one).
    Raises ValueError for an option that is out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inf = float("inf")
        checks = (
            ("temperature", lambda x: 0 <= x < inf, "0 or more (0 is greedy)"),
            ("top_k", lambda x: x >= 0 and operator.index(x) >= 0, "0 (off) or more"),
            ("top_p", lambda x: 0 < x <= 1, "above 0 and at most 1 (1 is off)"),
            ("min_p", lambda x: 0 <= x < 1, "from 0 (off) to below 1"),
            ("repetition_penalty", lambda x: x > 0, "above 0 (1 is off)"),
            (
                "logit_bias",
                # NaN is not below infinity
                lambda x: all(
                    bias < inf and operator.index(id) is not None for id, bias in x.items()
                ),
                "a number for each token, or -inf to forbid it",
            ),
        )
        for name, fine, range_ in checks:
            value = getattr(self, name)
            try:
                good = fine(value)
            except (TypeError, AttributeError):
                kind = {"top_k": "a whole number, ", "logit_bias": ""}.get(name, "a number, ")
                raise ValueError(f"{name} is {value!r}; it must be {kind}{range_}") from None
            if not good:
                raise ValueError(f"{name} is {value}; it must be {range_}")


@runtime_checkable
class Rule(Protocol):
    """Changes what may come next, by what stands before: a grammar, another library's filters."""

    def __call__(
        self, logits_BSV: Float[Tensor, "B S V"], history_BSH: Int[Tensor, "B S H"], /
    ) -> Float[Tensor, "B S V"]:
        """The logits as they should be; `history_BSH` holds token ids, -1 where there is none."""
        ...


@dataclass(frozen=True)
class Sampler:
    """Picks tokens: the user's options and the run's coins.

    `eos_ids` end a text; a decoder that weighs texts of different lengths (beams) must know them.
    `rules` come after the bias and the penalty, before temperature and filters.
    """

    options: Sampling
    coins: Coins
    eos_ids: tuple[int, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def greedy(self) -> bool:
        return self.options.temperature == 0

    @property
    def wants_history(self) -> bool:
        """Whether `logits` needs to be told which tokens stand before each scored cell."""
        return self.options.repetition_penalty != 1 or bool(self.rules)

    def logits(
        self,
        logits_BSV: Float[Tensor, "B S V"],
        history_BSH: Int[Tensor, "B S H"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """Bias, penalty and rules applied; `history_BSH` has -1 where there is no token.

        Raises ValueError for a bias of no token, and where biases leave no token possible.
        """
        if self.options.logit_bias:
            logits_BSV = biased(logits_BSV, self.options.logit_bias)
        if history_BSH is not None:
            history_BSH = history_BSH.to(logits_BSV.device)
            if self.options.repetition_penalty != 1:
                logits_BSV = penalise(logits_BSV, history_BSH, self.options.repetition_penalty)
            for rule in self.rules:
                logits_BSV = rule(logits_BSV, history_BSH)
        return logits_BSV

    def probs(
        self,
        logits_BSV: Float[Tensor, "B S V"],
        history_BSH: Int[Tensor, "B S H"] | None = None,
    ) -> Float64[Tensor, "B S V"]:
        """The distribution that tokens are drawn from; one-hot at temperature 0."""
        logits_BSV = self.logits(logits_BSV, history_BSH)
        if self.greedy:
            return torch.nn.functional.one_hot(logits_BSV.argmax(-1), logits_BSV.shape[-1]).double()
        return filtered(logits_BSV.double() / self.options.temperature, self.options)

    def pick(
        self,
        logits_BSV: Float[Tensor, "B S V"],
        cells_BS: Int[Tensor, "B S"],
        history_BSH: Int[Tensor, "B S H"] | None = None,
    ) -> Int[Tensor, "B S"]:
        """The tokens to write into `cells_BS` of the canvas."""
        if self.greedy:
            return self.logits(logits_BSV, history_BSH).argmax(-1).cpu()
        return draw(self.probs(logits_BSV, history_BSH).cpu(), self.coins.at(cells_BS, PICK))


def biased(
    logits_BSV: Float[Tensor, "B S V"], logit_bias: Mapping[int, float]
) -> Float[Tensor, "B S V"]:
    """Add each bias to the logits of its token. Raises ValueError as `Sampler.logits` does."""
    ids = torch.tensor(list(logit_bias), device=logits_BSV.device)
    if int(ids.max()) >= logits_BSV.shape[-1] or int(ids.min()) < 0:
        raise ValueError(f"logit_bias names a token outside 0 to {logits_BSV.shape[-1] - 1}")
    extra = torch.tensor(list(logit_bias.values()), dtype=logits_BSV.dtype)
    logits_BSV = logits_BSV.index_add(
        -1, ids, extra.to(ids.device).expand(*logits_BSV.shape[:-1], -1)
    )
    # to look costs a wait for the device: only where it can be. Of all cells, for some do not count
    if -torch.inf in logit_bias.values() and bool((logits_BSV.amax(-1) == -torch.inf).all()):
        raise ValueError("logit_bias forbids every token that is possible; leave one")
    return logits_BSV


def penalise(
    logits_BSV: Float[Tensor, "B S V"], history_BSH: Int[Tensor, "B S H"], penalty: float
) -> Float[Tensor, "B S V"]:
    """Divide positive and multiply negative logits of the tokens seen before."""
    last = torch.where(history_BSH >= 0, history_BSH, history_BSH.max(-1, keepdim=True).values)
    ids_BSH = last.clamp_min(0)
    seen_BSH = logits_BSV.gather(-1, ids_BSH)
    fined_BSH = torch.where(seen_BSH > 0, seen_BSH / penalty, seen_BSH * penalty)
    empty_BS1 = (history_BSH < 0).all(-1, keepdim=True)
    return logits_BSV.scatter(-1, ids_BSH, torch.where(empty_BS1, seen_BSH, fined_BSH))


def filtered(logits_BSV: Float64[Tensor, "B S V"], options: Sampling) -> Float64[Tensor, "B S V"]:
    """softmax of the logits that survive top-k, top-p (arXiv:1904.09751) and min-p (2407.01082).

    At least one token always survives. Ties at the top-k border all stay.
    """
    V = logits_BSV.shape[-1]
    if 0 < options.top_k < V:
        kth_BS1 = logits_BSV.topk(options.top_k, -1).values[..., -1:]
        logits_BSV = logits_BSV.masked_fill(logits_BSV < kth_BS1, -torch.inf)
    if options.top_p < 1:
        floor_BS1 = _nucleus_floor(logits_BSV, options.top_p) if V > FEW else None
        if floor_BS1 is None:
            dropped_BSV = _tail(logits_BSV, options.top_p)
        else:
            dropped_BSV = logits_BSV < floor_BS1
        logits_BSV = logits_BSV.masked_fill(dropped_BSV, -torch.inf)
    if options.min_p > 0:
        floor_BS1 = logits_BSV.amax(-1, keepdim=True) + float(np.log(options.min_p))
        logits_BSV = logits_BSV.masked_fill(logits_BSV < floor_BS1, -torch.inf)
    return logits_BSV.softmax(-1)


def _tail(logits_BSV: Float64[Tensor, "B S V"], top_p: float) -> Bool[Tensor, "B S V"]:
    """The tokens outside of the smallest set of the likeliest ones that has the mass `top_p`."""
    sorted_BSV, order_BSV = torch.sort(logits_BSV, dim=-1, descending=True, stable=True)
    above_BSV = sorted_BSV.softmax(-1).cumsum(-1).roll(1, -1)  # mass of all likelier tokens
    above_BSV[..., 0] = 0.0
    return torch.zeros_like(above_BSV, dtype=torch.bool).scatter_(-1, order_BSV, above_BSV >= top_p)


def _nucleus_floor(
    logits_BSV: Float64[Tensor, "B S V"], top_p: float
) -> Float64[Tensor, "B S 1"] | None:
    """The least logit that is not in `_tail`, found among the `FEW` likeliest tokens alone.

    None where they do not settle it: too few, a tie at the border, or a mass so near to `top_p`
    that rounding decides (a sum in another order differs by less than 1e-10).
    """
    best_BSK = logits_BSV.topk(FEW, -1).values
    shares_BSK = (best_BSK - logits_BSV.logsumexp(-1, keepdim=True)).exp()
    above_BSK = shares_BSK.cumsum(-1) - shares_BSK
    inside_BS1 = (above_BSK < top_p).sum(-1, keepdim=True)
    border_BS2 = best_BSK.gather(-1, torch.cat([inside_BS1 - 1, inside_BS1], -1).clamp(0, FEW - 1))
    settled = (border_BS2[..., 0] > border_BS2[..., 1]).all()  # a nucleus of all FEW is a tie, too
    settled &= ((above_BSK - top_p).abs() > 1e-9).all()
    return border_BS2[..., :1] if bool(settled) else None


def draw(
    probs_BSV: Float64[Tensor, "B S V"], coins_BS: Float64[Tensor, "B S"]
) -> Int[Tensor, "B S"]:
    """Inverse transform sampling: the token on whose share of [0, total) the coin falls.

    >>> draw(torch.tensor([[[0.25, 0.0, 0.75]]]).double(), torch.tensor([[0.25]]).double()).item()
    2
    """
    cdf_BSV = probs_BSV.cumsum(-1)
    aim_BS1 = coins_BS[..., None] * cdf_BSV[..., -1:]
    token_BS1 = torch.searchsorted(cdf_BSV, aim_BS1, right=True)
    if bool((token_BS1 == probs_BSV.shape[-1]).any()):  # aim rounded to the total: stay inside
        last_BS1 = (probs_BSV > 0).long().cumsum(-1).argmax(-1, keepdim=True)
        token_BS1 = token_BS1.minimum(last_BS1)
    return token_BS1[..., 0]
