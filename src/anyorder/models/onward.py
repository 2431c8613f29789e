"""A language model with one more head, which drafts: a `RecursiveLM`.

    model = OnwardLM.of(config, tensors, kept, "int8")
    model.extend(tokens_BT, cache)                # what the model itself says
    model.onward(features_BTX, tokens_BT, place_BT, cache)

Both are native networks; the head is one of a single layer, whose outputs are the frequent tokens.
What stands for features here is wider than they are: logits of the frequent tokens, then the
features, as one call of the head gives them; of the model's own, features alone.
Shapes: B rows, T new cells, S scored cells, V vocabulary, U frequent tokens, C channels, X what is
told of a cell: C, or U + C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.models.onward_head import joined
from anyorder.nets.cache import KeyValues
from anyorder.nets.native import build
from anyorder.nets.network import Network
from anyorder.nets.sizes import Config, sizes_of


@dataclass(frozen=True, eq=False)
class OnwardLM:
    """See the module. `whole`: the model, whose features stand behind its logits."""

    whole: Network
    head: Network
    join_CX: Float[Tensor, "C X"]
    join_C: Float[Tensor, " C"]
    embedding_VC: Float[Tensor, "V C"]
    unembedding_VC: Float[Tensor, "V C"]
    frequent_U: Int[Tensor, " U"]
    eps: float

    @property
    def same_bits(self) -> bool:
        """See `LanguageModel.same_bits`: what the head says changes no text."""
        return getattr(self.whole, "same_bits", False)

    @staticmethod
    def of(
        config: Config, tensors: Mapping[str, Tensor], kept: Mapping[str, Tensor], precision: str
    ) -> "OnwardLM":
        """Build it; `kept`: what was kept of a trained `OnwardHead`. Raises ValueError where the
        head's tensors do not fit the model, and as `nets.native.build` does.
        """
        embedding_VC = tensors["model.embed_tokens.weight"].float()
        unembedding_VC = tensors.get("lm_head.weight", embedding_VC).float()
        missing = {"join.weight", "join.bias", "frequent"} - set(kept)
        if missing:
            raise ValueError(f"what was kept of the head lacks {min(missing)}")
        frequent_U, C = kept["frequent"].long(), embedding_VC.shape[1]
        if tuple(kept["join.weight"].shape) != (C, 2 * C) or int(frequent_U.max()) >= len(
            embedding_VC
        ):
            raise ValueError("the head was trained for a model of another size")
        small = {"num_hidden_layers": 1, "vocab_size": len(frequent_U), "tie_word_embeddings": True}
        alike = {**config, **small}
        layer = {name: x for name, x in kept.items() if name.startswith("model.")}
        own = {
            "model.norm.weight": tensors["model.norm.weight"],
            "model.embed_tokens.weight": unembedding_VC[frequent_U],
        }
        return OnwardLM(
            build(config, tensors, precision, features=True),
            build(alike, {**layer, **own}, precision, features=True),
            kept["join.weight"].float(),
            kept["join.bias"].float(),
            embedding_VC,
            unembedding_VC,
            frequent_U,
            sizes_of(config).shape.norm_eps,
        )

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        return str(getattr(self.whole, "fingerprint", "onward"))

    @property
    def vocab_size(self) -> int:
        return len(self.embedding_VC)

    @property
    def max_length(self) -> int:
        return self.whole.max_length

    def new_cache(self, batch: int, room: int) -> KeyValues:
        return self.whole.new_cache(batch, room)

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        return self.extend_with_features(tokens_BT, cache, tree=tree, score_BS=score_BS)[0]

    def extend_with_features(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S C"]]:
        """See `FeaturedLM.extend_with_features`."""
        told_BSX = self.whole.extend(tokens_BT, cache, tree=tree, score_BS=score_BS)
        return told_BSX[..., : self.vocab_size], told_BSX[..., self.vocab_size :]

    def new_head_cache(self, batch: int, room: int) -> KeyValues:
        """See `RecursiveLM.new_head_cache`."""
        return self.head.new_cache(batch, room)

    @torch.no_grad()
    def onward(
        self,
        features_BTC: Float[Tensor, "B T X"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: Any,
    ) -> Float[Tensor, "B T Y"]:
        """See `RecursiveLM.onward`. Places are not looked at: what matters to the head is how far
        its cells are apart. Raises ValueError when the cache has no room.
        """
        C = len(self.join_C)
        tokens_BTC = self.embedding_VC[tokens_BT]
        x_BTC = joined(
            self.join_CX, self.join_C, features_BTC[..., -C:].float(), tokens_BTC, self.eps
        )
        return self.head.extend_vectors(x_BTC, cache)

    def said(
        self, features_BC: Float[Tensor, "B X"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """See `RecursiveLM.said`."""
        C = len(self.join_C)
        if among_U is None:
            return F.linear(features_BC[:, -C:], self.unembedding_VC).float()
        return features_BC[:, :-C]
