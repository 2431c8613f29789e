"""Which of several guesses for one token the target keeps, so that its distribution is its own.

    token_B = kept_or_redrawn(p_BV, q_BV, guesses_BJ, alive_BJ, accept_B, pick_B)

The guesses were drawn from q, one after the other. Each in turn is kept with probability
min(1, p / (rho q)); where none is, the token is drawn from what p has left. With one guess rho is
1, and that is speculative sampling; with k the factor rho lies between 1 and k.
Source: Sun et al. 2023 (arXiv:2310.15141), section 4, algorithm 2 (K-SEQ) and theorem 2.
Shapes: B rows, J guesses, V vocabulary.
"""

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from anyorder.decode.draft_verify.accept import accept_probability, residual
from anyorder.decode.sampling import draw

HALVINGS = 12  # of the interval in which rho is looked for; its upper end is always allowed


def kept_or_redrawn(
    p_BV: Float64[Tensor, "B V"],
    q_BV: Float64[Tensor, "B V"],
    guesses_BJ: Int[Tensor, "B J"],
    alive_BJ: Bool[Tensor, "B J"],
    accept_B: Float64[Tensor, " B"],
    pick_B: Float64[Tensor, " B"],
) -> Int[Tensor, " B"]:
    """The token of each row. A row without a guess that is alive draws from p.

    One coin serves all tests: what it has left after a refusal is as good as new.
    """
    many_B = alive_BJ.sum(-1)
    rho_B = division(p_BV, q_BV, many_B)
    odds_BJ = acceptance(p_BV, q_BV, rho_B).gather(1, guesses_BJ) * alive_BJ
    token_B, open_B = guesses_BJ[:, 0], torch.ones_like(alive_BJ[:, 0])
    for odds_B, guess_B in zip(odds_BJ.unbind(1), guesses_BJ.unbind(1), strict=True):
        kept_B = open_B & (accept_B < odds_B)
        token_B = torch.where(kept_B, guess_B, token_B)
        open_B = open_B & ~kept_B
        accept_B = (accept_B - odds_B) / (1 - odds_B).clamp_min(1e-300)
    if not bool(open_B.any()):
        return token_B
    rest_BV = left_over(p_BV, q_BV, many_B, rho_B)
    return torch.where(open_B, draw(rest_BV[:, None], pick_B[:, None])[:, 0], token_B)


def acceptance(
    p_BV: Float64[Tensor, "B V"], q_BV: Float64[Tensor, "B V"], rho_B: Float64[Tensor, " B"]
) -> Float64[Tensor, "B V"]:
    """Chance that a guess is kept, if no earlier one was: min(1, p / (rho q))."""
    return accept_probability(p_BV, rho_B[:, None] * q_BV)


def kept_mass(
    p_BV: Float64[Tensor, "B V"], q_BV: Float64[Tensor, "B V"], rho_B: Float64[Tensor, " B"]
) -> Float64[Tensor, " B"]:
    """The same for a guess of which nothing is known: beta(rho) = sum_x min(q, p / rho)."""
    return q_BV.minimum(p_BV / rho_B[:, None]).sum(-1)


def division(
    p_BV: Float64[Tensor, "B V"], q_BV: Float64[Tensor, "B V"], many_B: Int[Tensor, " B"]
) -> Float64[Tensor, " B"]:
    """The least factor rho that leaves p room for all: 1 - (1 - beta)^k <= rho beta; k = `many_B`.

    A larger one is allowed, too, and keeps less: this one is found to k / 4000.
    Source: arXiv:2310.15141, section 4, equation 7 and theorem 2.

    >>> p, q = torch.tensor([[0.5, 0.5]]).double(), torch.tensor([[1.0, 0.0]]).double()
    >>> division(p, q, torch.tensor([1])).tolist()
    [1.0]
    """
    low_B = torch.ones_like(p_BV[:, 0])
    high_B = many_B.clamp_min(1).to(p_BV.dtype)
    for _ in range(HALVINGS if bool((many_B > 1).any()) else 0):
        middle_B = (low_B + high_B) / 2
        beta_B = kept_mass(p_BV, q_BV, middle_B)
        fits_B = 1 - (1 - beta_B) ** many_B <= middle_B * beta_B
        low_B, high_B = low_B.where(fits_B, middle_B), middle_B.where(fits_B, high_B)
    return high_B


def left_over(
    p_BV: Float64[Tensor, "B V"],
    q_BV: Float64[Tensor, "B V"],
    many_B: Int[Tensor, " B"],
    rho_B: Float64[Tensor, " B"],
) -> Float64[Tensor, "B V"]:
    """What to draw from where no guess was kept: p less what the guesses give, as a distribution.

    They give min(q, p / rho) (1 - (1 - beta)^k) / beta. With one guess: max(0, p - q).
    """
    beta_B = kept_mass(p_BV, q_BV, rho_B)
    times_B = (1 - (1 - beta_B) ** many_B) / beta_B.clamp_min(1e-300)
    given_BV = q_BV.minimum(p_BV / rho_B[:, None]) * times_B[:, None]
    return residual(p_BV, given_BV)
