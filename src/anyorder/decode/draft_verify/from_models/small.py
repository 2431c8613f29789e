"""The draft model beside the target: what it has read, and what it says comes next.

    small = Small.beside(draft_model, target, canvas, more=5)
    logits_BV = small.read(pending(canvas, small.cache))

Shapes: B rows, T cells read, W guesses in one call, K cells of a tree, S scored cells, V vocabulary
of the target, U vocabulary of the draft model.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import DONE, Canvas
from anyorder.decode.block import read_block
from anyorder.decode.draft_verify.draft import Seen
from anyorder.decode.draft_verify.guard import check_said
from anyorder.decode.reading import Pending, room
from anyorder.masks import Tree
from anyorder.meter import beside
from anyorder.models.capability import Cache, CausalLM, offers


@dataclass(frozen=True)
class Small:
    """The draft model, counted beside the target, and what it has read."""

    model: CausalLM
    cache: Cache
    vocab_size: int

    @staticmethod
    def beside(network: Any, target: CausalLM, canvas: Canvas, *, more: int) -> "Small":
        """A network, or what holds one, with an empty cache for this canvas and `more` cells: a
        loaded language model, or a translator, which reads the sources that the target has read.
        Raises ValueError for what is no causal model.
        """
        small = beside(target, network_of(network, target))
        cache = small.new_cache(len(canvas.tokens_BN), room(canvas) + more)
        return Small(small, cache, target.vocab_size)

    def read(self, read: Pending) -> Float[Tensor, "B V"]:
        """What comes next after these tokens; a token that it lacks it takes for another."""
        tokens_BT = read.tokens_BT.clamp_max(self.model.vocab_size - 1)
        logits_B1U = self.model.extend(tokens_BT, self.cache, score_BS=read.last_B1)
        self.cache.keep(torch.arange(tokens_BT.shape[1]).expand(len(tokens_BT), -1), read.count_B)
        return spoken(logits_B1U, self.vocab_size, read.count_B > 0)[:, 0]

    def read_ahead(self, read: Pending, *, masks: int, mask: int) -> Float[Tensor, "B W V"]:
        """What comes next after these tokens, and after each of `masks` cells behind them that hold
        `mask`; of those nothing is kept.
        """
        B, T = read.tokens_BT.shape
        cells_T = torch.arange(T + masks)
        tokens_BT = F.pad(read.tokens_BT, (0, masks)).masked_fill(
            cells_T >= read.count_B[:, None], mask
        )
        logits_BWU = self.model.extend(
            tokens_BT.clamp_max(self.model.vocab_size - 1),
            self.cache,
            score_BS=read.last_B1 + torch.arange(1 + masks),
        )
        self.cache.keep(cells_T[:T].expand(B, -1), read.count_B)
        return spoken(logits_BWU, self.vocab_size, read.count_B > 0)

    def read_block(self, read: Pending, width: int) -> Float[Tensor, "B W V"]:
        """What stands in each cell of a block of holes behind these tokens: `width` of them, or as
        many as a `SetBlockLM` can read. Nothing of it is kept.
        """
        filler: Any = self.model
        width = min(width, filler.longest_block)
        holes_BW = torch.full((len(read.tokens_BT), width), filler.hole)
        live_BW = (read.count_B > 0)[:, None].expand(holes_BW.shape)
        known = Pending(read.tokens_BT.clamp_max(filler.vocab_size - 1), read.count_B)
        _, logits_BWU = read_block(filler, self.cache, known, holes_BW, live_BW, last=False)
        return spoken(logits_BWU, self.vocab_size, read.count_B > 0)

    def peek(
        self, tokens_BK: Int[Tensor, "B K"], tree: Tree, score_BS: Int[Tensor, "B S"]
    ) -> Float[Tensor, "B S V"]:
        """What comes next after some cells of a tree below the text; nothing of it is kept."""
        tokens_BK = tokens_BK.clamp_max(self.model.vocab_size - 1)
        logits_BSU = self.model.extend(tokens_BK, self.cache, tree=tree, score_BS=score_BS)
        return spoken(logits_BSU, self.vocab_size, (tree.parents_BT > -2).any(-1))

    def forget(self, seen: Seen) -> "Small":
        """Guesses that were refused are forgotten; the last token written was not read yet.

        The frontier may lie beyond it, behind forced cells: these were guessed, not read.
        """
        written_BN = (seen.canvas.status_BN == DONE) * torch.arange(seen.canvas.tokens_BN.shape[1])
        self.cache.trim(written_BN.amax(-1))
        return self


def network_of(model: Any, target: Any) -> CausalLM:
    """A network, or the one that a loaded model holds. Raises ValueError for what is no causal
    model.
    """
    network = model if offers(model, CausalLM) else _inside(model, target)
    if not offers(network, CausalLM):
        raise ValueError(f"the draft model must be a CausalLM; {type(network).__name__} is none")
    return network


def _inside(network: Any, target: Any) -> Any:
    """What a loaded model holds; a translator's after it has read the target's sources."""
    read, sources = getattr(network, "having_read", None), getattr(target, "sources", None)
    if read is not None and sources is not None:
        return read(sources)
    return getattr(network, "model", network)


def spoken(
    logits_BTU: Float[Tensor, "B T U"], vocab_size: int, live_B: Bool[Tensor, " B"]
) -> Float[Tensor, "B T V"]:
    """The draft's logits over the target's vocabulary: padding cut off, or added as impossible.
    Raises FloatingPointError as `check_said` does.
    """
    U = logits_BTU.shape[-1]
    if vocab_size > U:
        logits_BTV = F.pad(logits_BTU, (0, vocab_size - U), value=-torch.inf)
    else:
        logits_BTV = logits_BTU[..., :vocab_size]
    check_said(logits_BTV, live_B)
    return logits_BTV
