"""The native transformer's forward pass, lean on a CPU; `anyorder.nets.native` builds it.

    cache = net.new_cache(batch=2, room=64)
    logits_BSV = net.extend(tokens_BT, cache)

Norm weights are folded into the layer that follows, projections that read the same input are one
matrix, and rotary pairs lie side by side, so that a rotation is one complex product.
Nets never loop over tokens and never sample.
Shapes: B rows, T new cells, E cells of the cache in use, H heads, K key heads, G queries a key
head, D head width, C channels, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.linear import Linear


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the forward pass must know of a network beside its weights."""

    vocab_size: int
    max_length: int
    channels: int
    heads: int
    key_heads: int
    head_width: int
    norm_eps: float
    window: int | None = None  # cells that a cell sees at most, itself included
    centred: bool = False  # LayerNorm (GPT-2) instead of RMSNorm
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Block:
    """One layer. `mlp_up` gives gate and up side by side where `gated`, else up alone.

    `head_norms`: weights of the RMS norms of queries and keys, head by head, before they turn.
    Compiled code alone knows `relu` (instead of GELU), and `cross`, the matrices before and after
    the attention to a source.
    """

    qkv: Linear
    out: Linear
    mlp_up: Linear
    mlp_down: Linear
    gated: bool
    head_norms: Float[Tensor, "HK D"] | None = None
    relu: bool = False
    cross: tuple[Linear, Linear] | None = None


@dataclass(frozen=True)
class Transformer:
    """Satisfies `CausalLM`. Rotary where `turns_RD` is given, else learned positions."""

    shape: Shape
    embedding_VC: Float[Tensor, "V C"]
    blocks: tuple[Block, ...]
    head: Linear
    turns_RD: Tensor | None  # complex, a turn for each position and pair of channels
    positions_RC: Float[Tensor, "R C"] | None

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        kind = type(self.head).__name__.lower()
        return f"{kind}-{self.shape.dtype}-{len(self.blocks)}x{self.shape.channels}"

    @property
    def vocab_size(self) -> int:
        return self.shape.vocab_size

    @property
    def max_length(self) -> int:
        return self.shape.max_length

    def new_cache(self, batch: int, room: int) -> KeyValues:
        s = self.shape
        return KeyValues(
            layers=len(self.blocks),
            batch=batch,
            heads=s.key_heads,
            room=room,
            width=s.head_width,
            dtype=s.dtype,
        )

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        x_BTC = self.embedding_VC[tokens_BT]
        return self.extend_vectors(x_BTC, cache, tree=tree, score_BS=score_BS)

    def extend_vectors(
        self,
        x_BTC: Float[Tensor, "B T C"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """The same of vectors that stand where embeddings of tokens would."""
        B, T, _ = x_BTC.shape
        end = cache.reserve(T)
        length_B1 = cache.length_B[:, None]
        depth_BT = torch.arange(T).expand(B, T) if tree is None else tree.depth_BT
        place_BT = (length_B1 + depth_BT).clamp_max(self.max_length - 1)
        call = _Call(
            at_BT=None if cache.level else length_B1 + torch.arange(T),
            end=end,
            bias=visible(cache, T, end, tree, self.shape),
            turns=None if self.turns_RD is None else self.turns_RD[place_BT][:, :, None],
        )
        if self.positions_RC is not None:
            x_BTC = x_BTC + self.positions_RC[place_BT]
        for layer, block in enumerate(self.blocks):
            x_BTC = self._block(x_BTC, layer, block, cache, call)
        if score_BS is not None:
            x_BTC = x_BTC[torch.arange(B)[:, None], score_BS]
        return self.head(self._norm(x_BTC)).float()

    def _block(
        self, x_BTC: Tensor, layer: int, block: Block, cache: KeyValues, call: "_Call"
    ) -> Tensor:
        s = self.shape
        assert not any((block.relu, block.cross)), "compiled code alone knows these"
        qkv = block.qkv(self._norm(x_BTC)).unflatten(-1, (-1, s.head_width))
        turned, values_BTKD = qkv.split([s.heads + s.key_heads, s.key_heads], 2)
        if block.head_norms is not None:
            turned = (rms_normed(turned, s.norm_eps) * block.head_norms).to(s.dtype)
        if call.turns is not None:
            turned = rotate(turned, call.turns)
        queries_BTHD, keys_BTKD = turned.split([s.heads, s.key_heads], 2)
        keys, values = cache.write(layer, keys_BTKD, values_BTKD, call.at_BT)
        seen = attend(queries_BTHD, keys[:, :, : call.end], values[:, :, : call.end], call.bias)
        x_BTC = x_BTC + block.out(seen)
        up = block.mlp_up(self._norm(x_BTC))
        if block.gated:
            gate, up = up.chunk(2, -1)
            up = F.silu(gate).mul_(up)
        else:
            up = F.gelu(up, approximate="tanh")
        return block.mlp_down(up).add_(x_BTC)

    def _norm(self, x_BTC: Tensor) -> Tensor:
        """Norm without its weights, which live in the next layer."""
        s = self.shape
        if s.centred:
            return F.layer_norm(x_BTC, (s.channels,), eps=s.norm_eps)
        return rms_normed(x_BTC, s.norm_eps).to(s.dtype)


@dataclass(frozen=True)
class _Call:
    """What all layers of one call share."""

    at_BT: Tensor | None
    end: int
    bias: Tensor | None
    turns: Tensor | None


def visible(cache: KeyValues, T: int, end: int, tree: Tree | None, shape: Shape) -> Tensor | None:
    """What is added to attention scores: 0 where a cell is seen, else -inf. [B or 1, 1, G*T, E].

    None where every new cell sees all: one new cell in level rows.
    """
    if T == 1 and cache.level and (shape.window is None or end <= shape.window):
        return None
    length_B1 = cache.length_B[:1, None] if cache.level else cache.length_B[:, None]
    if tree is None:
        new_BTT = torch.ones(T, T, dtype=torch.bool).tril_()[None]
        depth_BT = torch.arange(T)[None]
    else:
        new_BTT, depth_BT = tree.sees_BTT, tree.depth_BT
    if cache.level:
        old = torch.ones(len(new_BTT), T, end - T, dtype=torch.bool)
        seen_BTE = torch.cat([old, new_BTT], -1)
    else:
        ahead_BE = torch.arange(end) - length_B1
        new_BTE = new_BTT.expand(len(ahead_BE), T, T).gather(
            2, ahead_BE.clamp(0, T - 1)[:, None].expand(-1, T, -1)
        )
        inside_B1E = ((ahead_BE >= 0) & (ahead_BE < T))[:, None]
        seen_BTE = (ahead_BE < 0)[:, None] | (new_BTE & inside_B1E)
    if shape.window is not None:
        place_BE = torch.arange(end).expand(len(length_B1), end)
        if tree is not None:  # a drafted cell's column is not its position
            ahead_BE = (place_BE - length_B1).expand(max(len(length_B1), len(depth_BT)), end)
            depth_BE = depth_BT.expand(len(ahead_BE), T).gather(1, ahead_BE.clamp(0, T - 1))
            place_BE = torch.where(ahead_BE >= 0, length_B1 + depth_BE, place_BE)
        behind_BTE = (length_B1 + depth_BT)[..., None] - place_BE[:, None]
        near_BTE = behind_BTE < shape.window
        seen_BTE = seen_BTE & near_BTE
    bias = torch.zeros(seen_BTE.shape, dtype=shape.dtype).masked_fill_(~seen_BTE, -torch.inf)
    return bias[:, None].repeat(1, 1, shape.heads // shape.key_heads, 1)


def attend(
    queries_BTHD: Float[Tensor, "B T H D"],
    keys_BKED: Float[Tensor, "B K E D"],
    values_BKED: Float[Tensor, "B K E D"],
    bias: Tensor | None,
) -> Float[Tensor, "B T HD"]:
    """Grouped-query attention: queries of a group stand one below the other, keys once."""
    B, T, H, D = queries_BTHD.shape
    K = keys_BKED.shape[1]
    grouped = queries_BTHD.unflatten(2, (K, H // K)).permute(0, 2, 3, 1, 4)
    seen = F.scaled_dot_product_attention(
        grouped.reshape(B, K, H // K * T, D), keys_BKED, values_BKED, attn_mask=bias
    )
    return seen.view(B, K, H // K, T, D).permute(0, 3, 1, 2, 4).reshape(B, T, H * D)


def rms_normed(x: Tensor, eps: float) -> Tensor:
    """x over its root mean square (Zhang and Sennrich 2019, arXiv:1910.07467), in float32."""
    wide = x.float()
    size = torch.linalg.vector_norm(wide, 2, -1, keepdim=True)
    return wide * size.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


def rotate(x_BTHD: Tensor, turns: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021, arXiv:2104.09864): pairs times e^(i m theta)."""
    pairs = torch.view_as_complex(x_BTHD.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x_BTHD.dtype)
