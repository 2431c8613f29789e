"""Beginnings of texts in a CTC lattice, with the mass and the blanks of the paths that spell them.

    held = nothing(B, W, device)                          # the empty text alone
    stay = stayed(held, logp_BV, blank)                   # the same texts, one cell later
    more = grown(held, logp_BK, token_BK)                 # what they become with a token behind
    held, token_BW = chosen(stay, more, token_BK, x_BW)   # those that are kept

The parts of a beam that judges texts by more than their probability.
Shapes: B rows, V vocabulary, W beginnings, K likeliest tokens of a cell, J = W.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Held:
    """The beginnings that are kept; -inf where a row has fewer.

    `blank_BW` and `token_BW`: log p of the paths that end in a blank, and in the last token;
    `after_blank_BW` and `after_token_BW`: how many blanks these have on average, `trailing_BW`:
    how many the former end with.
    """

    node_BW: Int[Tensor, "B W"]  # which text of the tree; -1: none
    up_BW: Int[Tensor, "B W"]  # the text before its last token; -2: none
    last_BW: Int[Tensor, "B W"]  # that token; -1: the text is empty
    count_BW: Int[Tensor, "B W"]  # tokens
    blank_BW: Float[Tensor, "B W"]
    token_BW: Float[Tensor, "B W"]
    after_blank_BW: Float[Tensor, "B W"]
    after_token_BW: Float[Tensor, "B W"]
    trailing_BW: Float[Tensor, "B W"]

    @property
    def both_BW(self) -> Float[Tensor, "B W"]:
        """log p of all paths that spell the beginning."""
        return torch.logaddexp(self.blank_BW, self.token_BW)

    @property
    def blanks_BW(self) -> Float[Tensor, "B W"]:
        """Blanks of a path that spells the beginning, on average."""
        return _mean(self.blank_BW, self.after_blank_BW, self.token_BW, self.after_token_BW)

    @property
    def ending_BW(self) -> Float[Tensor, "B W"]:
        """Trailing blanks of such a path, on average."""
        return _mean(self.blank_BW, self.trailing_BW, self.token_BW, torch.zeros_like(self.both_BW))


def nothing(B: int, W: int, device: torch.device) -> Held:
    """The beam before the first cell: the empty text, which ends in a blank, so to speak."""
    none_BW = torch.full((B, W), -1, device=device)
    never_BW = torch.full((B, W), -torch.inf, dtype=torch.double, device=device)
    zero_BW = torch.zeros_like(never_BW)
    node_BW, blank_BW = none_BW.clone(), never_BW.clone()
    node_BW[:, 0], blank_BW[:, 0] = 0, 0.0
    count_BW = torch.zeros_like(none_BW)
    masses = (blank_BW, never_BW, zero_BW, zero_BW, zero_BW)
    return Held(node_BW, none_BW - 1, none_BW, count_BW, *masses)


def stayed(held: Held, logp_BV: Float[Tensor, "B V"], blank: int) -> Held:
    """The same beginnings after one more cell: a blank, the last token again, or that token
    behind their own beginning, if that is in the beam too.
    """
    said_BW = logp_BV.gather(1, held.last_BW.clamp_min(0))
    again_BW = held.token_BW + said_BW
    is_parent_BJW = held.up_BW[:, :, None] == held.node_BW[:, None]
    repeats_BJW = held.last_BW[:, :, None] == held.last_BW[:, None]
    from_BJW = held.blank_BW[:, None].where(repeats_BJW, held.both_BW[:, None])
    best = from_BJW.where(is_parent_BJW, -torch.inf).max(-1)  # there is one beginning at most
    grown_BW = best.values + said_BW
    blanks_BJW = held.after_blank_BW[:, None].where(repeats_BJW, held.blanks_BW[:, None])
    blanks_BW = blanks_BJW.gather(2, best.indices[..., None])[..., 0]
    return Held(
        *columns(held)[:4],
        blank_BW=held.both_BW + logp_BV[:, blank, None],
        token_BW=torch.logaddexp(again_BW, grown_BW),
        after_blank_BW=held.blanks_BW + 1,
        after_token_BW=_mean(again_BW, held.after_token_BW, grown_BW, blanks_BW),
        trailing_BW=held.ending_BW + 1,
    )


def grown(
    held: Held, logp_BK: Float[Tensor, "B K"], token_BK: Int[Tensor, "B K"]
) -> tuple[Float[Tensor, "B W K"], Float[Tensor, "B W K"]]:
    """log p of each beginning with each token behind it, and its blanks; -inf for texts that the
    beam holds already, as they were counted with it.
    """
    repeats_BWK = held.last_BW[..., None] == token_BK[:, None]
    # A token after itself is new only when a blank stands between.
    from_BWK = held.blank_BW[..., None].where(repeats_BWK, held.both_BW[..., None])
    blanks_BWK = held.after_blank_BW[..., None].where(repeats_BWK, held.blanks_BW[..., None])
    is_parent_BJW = held.up_BW[:, :, None] == held.node_BW[:, None]
    held_BWK = is_parent_BJW.mT.double() @ repeats_BWK.double() > 0
    return (from_BWK + logp_BK[:, None]).where(~held_BWK, -torch.inf), blanks_BWK


def chosen(
    stay: Held,
    grown: tuple[Float[Tensor, "B W K"], Float[Tensor, "B W K"]],
    token_BK: Int[Tensor, "B K"],
    x_BW: Int[Tensor, "B W"],
) -> tuple[Held, Int[Tensor, "B W"]]:
    """The texts that are kept, and the token that each grew by (-1: it stayed as it was).

    `x_BW` numbers the W that stay, then the W K that grow; -1 is none. Those that grew have the
    node of their beginning still.
    """
    W, K = x_BW.shape[1], token_BK.shape[1]
    alive_BW, stays_BW, new_BW = x_BW >= 0, x_BW < W, (x_BW - W).clamp_min(0)
    from_BW = x_BW.clamp_min(0).where(stays_BW, new_BW // K)
    old = Held(*(x_BW.gather(1, from_BW) for x_BW in columns(stay)))
    logp_BW, blanks_BW = (x_BWK.flatten(1).gather(1, new_BW) for x_BWK in grown)
    next_BW = token_BK.gather(1, new_BW % K).where(~stays_BW, -1)
    return Held(
        node_BW=old.node_BW.where(alive_BW, -1),
        up_BW=old.up_BW.where(stays_BW, old.node_BW).where(alive_BW, -2),
        last_BW=old.last_BW.where(stays_BW, next_BW).where(alive_BW, -1),
        count_BW=old.count_BW + (~stays_BW).long(),
        blank_BW=old.blank_BW.where(stays_BW & alive_BW, -torch.inf),
        token_BW=old.token_BW.where(stays_BW, logp_BW).where(alive_BW, -torch.inf),
        after_blank_BW=old.after_blank_BW.where(stays_BW, 0.0),
        after_token_BW=old.after_token_BW.where(stays_BW, blanks_BW),
        trailing_BW=old.trailing_BW.where(stays_BW, 0.0),
    ), next_BW


def columns(held: Held) -> tuple[Float[Tensor, "B W"] | Int[Tensor, "B W"], ...]:
    """All tensors of a beam, in order."""
    return tuple(getattr(held, field.name) for field in fields(held))


def _mean(one: Tensor, value: Tensor, other: Tensor, other_value: Tensor) -> Tensor:
    """The mean of two values, weighed by their log-masses; 0 where there is no mass."""
    share = (one - torch.logaddexp(one, other)).exp().nan_to_num(0.0)
    return value * share + other_value * (1 - share)
