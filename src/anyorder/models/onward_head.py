"""One more head for a language model that is there: it reads its own guess, and goes on.

    head = OnwardHead(config, tensors, frequent_U)         # of the model that it is for
    said = head.unrolled(features_BNC, tokens_BN, steps=3)

    x = W [rms(features); rms(token)],   features' = norm(block(x)),   logits = E_U features'

A block is one layer of the model's kind, and begins as its last one; final norm and unembedding are
the model's own, and never change. Guesses are among the frequent tokens U. Kept are the parts that
learn, in Hugging Face's names, so that the native network can be built of them.
Source: DeepSeek-V3's multi-token module (arXiv:2412.19437, section 2.2), shared by all steps as in
FastMTP (Cai et al. 2025, arXiv:2509.18362); the smaller vocabulary is that of FR-Spec (Zhao et al.
2025, arXiv:2502.14856).
Shapes: B rows, N cells, E keys, C channels, H heads, K key heads, D head width, U frequent tokens.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.models.left_to_right.recursive import sees_of_steps
from anyorder.nets.native import turns_of
from anyorder.nets.sizes import Config, sizes_of

LAYER = "model.layers.{}."
PROJECTIONS = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
NORMS = ("input_layernorm", "post_attention_layernorm")
HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")  # where the model's kind has them


class OnwardHead(nn.Module):
    """See the module. Raises ValueError for a model that is not Llama-like."""

    turns_RD: Tensor
    table_UC: Tensor
    norm_C: Tensor
    frequent_U: Tensor

    def __init__(
        self, config: Config, tensors: Mapping[str, Tensor], frequent_U: Int[Tensor, " U"]
    ) -> None:
        super().__init__()
        sizes = sizes_of(config)
        if sizes.shape.centred:
            raise ValueError(f"a {config['model_type']!r} can't have a head: it is not Llama-like")
        self.shape = sizes.shape
        C = self.shape.channels
        self.join = nn.Linear(2 * C, C)
        last = LAYER.format(sizes.layers - 1)
        self.parts = nn.ParameterDict()
        for name in (*PROJECTIONS, *NORMS, *HEAD_NORMS):
            for kind in ("weight", "bias"):
                if (key := f"{last}{name}.{kind}") in tensors:
                    self.parts[_short(f"{name}.{kind}")] = tensors[key].detach().float().clone()
        head_VC = tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"])
        self.register_buffer("table_UC", head_VC[frequent_U].float(), persistent=False)
        norm_C = tensors["model.norm.weight"].float().clone()
        self.register_buffer("norm_C", norm_C, persistent=False)
        self.register_buffer("frequent_U", frequent_U.clone())
        self.register_buffer("turns_RD", turns_of(config, self.shape), persistent=False)

    def joined(
        self, features_BNC: Float[Tensor, "B N C"], tokens_BNC: Float[Tensor, "B N C"]
    ) -> Float[Tensor, "B N C"]:
        """What the block reads: features of cells, and the vectors of the tokens behind them."""
        return joined(
            self.join.weight, self.join.bias, features_BNC, tokens_BNC, self.shape.norm_eps
        )

    def unrolled(
        self, features_BNC: Float[Tensor, "B N C"], tokens_BNC: Float[Tensor, "B N C"], steps: int
    ) -> list[Float[Tensor, "B N C"]]:
        """The head's features after 1, 2, ... steps from every cell, for training.

        `tokens_BNC`: vectors of the tokens behind each cell. A step sees what it will see in
        drafting: the cells of the first step up to its own, then its own chain.
        """
        chain: list[tuple[Tensor, Tensor]] = []
        found: list[Tensor] = []
        for step in range(steps):
            x_BNC = self.joined(features_BNC, tokens_BNC.roll(-step, 1))
            x_BNC = x_BNC + self._attention(self._normed(x_BNC, NORMS[0]), chain, step)
            x_BNC = x_BNC + self._middle(self._normed(x_BNC, NORMS[1]))
            features_BNC = rms(x_BNC, self.shape.norm_eps) * self.norm_C
            found.append(features_BNC)
        return found

    def said(self, features_BC: Float[Tensor, "*B C"]) -> Float[Tensor, "*B U"]:
        """Features as logits of the frequent tokens."""
        return F.linear(features_BC, self.table_UC).float()

    def kept(self) -> dict[str, Tensor]:
        """The tensors that learn, and the frequent tokens, by the names of a checkpoint."""
        layer = {LAYER.format(0) + _long(name): x for name, x in self.parts.items()}
        join = {"join.weight": self.join.weight, "join.bias": self.join.bias}
        frequent = {"frequent": self.frequent_U.to(torch.int32)}
        return {name: x.detach() for name, x in {**layer, **join, **frequent}.items()}

    def _normed(self, x_BNC: Tensor, name: str) -> Tensor:
        return rms(x_BNC, self.shape.norm_eps) * self.parts[_short(f"{name}.weight")]

    def _linear(self, name: str, x_BNC: Tensor) -> Tensor:
        bias = _short(f"{name}.bias")
        bias_O = self.parts[bias] if bias in self.parts else None
        return F.linear(x_BNC, self.parts[_short(f"{name}.weight")], bias_O)

    def _attention(
        self, normed_BNC: Tensor, chain: list[tuple[Tensor, Tensor]], step: int
    ) -> Float[Tensor, "B N C"]:
        """Of one step; its keys and values join the chain."""
        N, s = normed_BNC.shape[1], self.shape
        H, K = s.heads, s.key_heads
        queries, keys, values = (
            self._heads(name, normed_BNC, heads)
            for name, heads in zip("qkv", (H, K, K), strict=True)
        )
        turns_ND = self.turns_RD[step : step + N]
        chain.append((turned(keys, turns_ND), values))
        every = [torch.cat(each, 2) for each in zip(*chain, strict=True)]
        keys, values = (each.repeat_interleave(H // K, 1) for each in every)
        sees_1NE = sees_of_steps(N, len(chain))  # texts to learn from are shorter than any window
        seen = F.scaled_dot_product_attention(
            turned(queries, turns_ND), keys, values, attn_mask=sees_1NE
        )
        return self._linear("self_attn.o_proj", seen.transpose(1, 2).flatten(2))

    def _heads(self, name: str, normed_BNC: Tensor, heads: int) -> Float[Tensor, "B H N D"]:
        """Queries, keys or values."""
        x_BNO = self._linear(f"self_attn.{name}_proj", normed_BNC)
        x_BNHD = x_BNO.unflatten(-1, (heads, self.shape.head_width))
        if (norm := _short(f"self_attn.{name}_norm.weight")) in self.parts:
            x_BNHD = rms(x_BNHD, self.shape.norm_eps) * self.parts[norm]
        return x_BNHD.transpose(1, 2)

    def _middle(self, normed_BNC: Tensor) -> Tensor:
        gate, up = (self._linear(f"mlp.{name}_proj", normed_BNC) for name in ("gate", "up"))
        return self._linear("mlp.down_proj", F.silu(gate) * up)


def joined(
    weight_CX: Float[Tensor, "C X"],
    bias_C: Float[Tensor, " C"],
    features_BNC: Float[Tensor, "B N C"],
    tokens_BNC: Float[Tensor, "B N C"],
    eps: float,
) -> Float[Tensor, "B N C"]:
    """See `OnwardHead.joined`."""
    both = (rms(features_BNC, eps), rms(tokens_BNC, eps))
    return F.linear(torch.cat(both, -1), weight_CX, bias_C)


def rms(x: Float[Tensor, "*B C"], eps: float) -> Float[Tensor, "*B C"]:
    """Of size 1 in the mean."""
    return x * x.float().square().mean(-1, keepdim=True).add(eps).rsqrt().to(x.dtype)


def turned(x_BHND: Float[Tensor, "B H N D"], turns_ND: Tensor) -> Float[Tensor, "B H N D"]:
    """Rotary positions in Hugging Face's order: a pair's halves lie D / 2 apart."""
    left, right = x_BHND.float().chunk(2, -1)
    whole = torch.complex(left, right) * turns_ND
    return torch.cat([whole.real, whole.imag], -1).to(x_BHND.dtype)


def _short(name: str) -> str:
    return name.replace(".", "/")  # a dot can't stand in the name of a parameter


def _long(name: str) -> str:
    return name.replace("/", ".")
