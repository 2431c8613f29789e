"""What native networks have in common, whatever computes them.

    net: Network = build(config, tensors)

Shapes: B rows, T new cells, S scored cells, V vocabulary, C channels.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.transformer import Shape


@runtime_checkable
class Network(Protocol):
    """What is built: `CausalLM` with the cache of native networks."""

    @property
    def shape(self) -> Shape: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def max_length(self) -> int: ...

    def new_cache(self, batch: int, room: int) -> KeyValues: ...

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]: ...

    def extend_vectors(
        self,
        x_BTC: Float[Tensor, "B T C"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """`extend` of vectors that stand where embeddings of tokens would."""
        ...
