"""A model of llama.cpp as a `CausalLM`: drafts, trees and ragged batches over a GGUF file.

    model = LlamaCppLM(Weights(Path("model.gguf")))
    logits_BSV = model.extend(tokens_BT, model.new_cache(batch=2, room=64))

Weights stay as the file packs them, and the arithmetic is llama.cpp's. How it sums may depend on
how many cells a call reads, as in other libraries: see docs/laws.md.
Shapes: B rows, T new cells, S scored cells, V vocabulary.
"""

from importlib.metadata import version

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.models.llamacpp.cache import PADDING, SequenceCache
from anyorder.models.llamacpp.library import Weights, library


class LlamaCppLM:
    """Satisfies `CausalLM`."""

    def __init__(self, weights: Weights) -> None:
        api = library()
        self.weights = weights
        self.vocab_size = int(api.llama_vocab_n_tokens(weights.vocabulary))
        self.max_length = int(api.llama_model_n_ctx_train(weights.pointer))

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside threads (see `CausalLM` in `cost`)."""
        api, pointer = library(), self.weights.pointer
        sizes = api.llama_model_n_layer(pointer), api.llama_model_n_embd(pointer)
        size, which = api.llama_model_size(pointer), version("llama_cpp_python")
        return f"llamacpp-{which}-{sizes[0]}x{sizes[1]}-{size}"

    def new_cache(self, batch: int, room: int) -> SequenceCache:
        """See `CausalLM.new_cache`. Raises ValueError for more than 256 rows."""
        return SequenceCache(self.weights, batch=batch, room=room)

    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SequenceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room; the logits of a cell
        that is padding are 0.
        """
        B, T = tokens_BT.shape
        assert tree is None or not tree.mutual, "in llama.cpp no cell sees one that comes after it"
        parents_BT = (tree or Tree.chain(B, T)).parents_BT.expand(B, T)
        score_BS = torch.arange(T).expand(B, T) if score_BS is None else score_BS.cpu()
        real_BT = parents_BT > PADDING
        wanted_BT = torch.zeros(B, T, dtype=torch.bool).scatter_(1, score_BS, True) & real_BT
        found_NV = cache.read(tokens_BT.tolist(), parents_BT.tolist(), wanted_BT.tolist())
        if not score_BS.numel() or not len(found_NV):
            return torch.zeros(*score_BS.shape, self.vocab_size)
        at_BT = wanted_BT.flatten().cumsum(0).view(B, T) - 1  # the first of `found_NV` is cell 0
        logits_BSV = found_NV[at_BT.gather(1, score_BS).clamp_min(0)]  # a copy: they are not ours
        if not bool(real_BT.all()):
            logits_BSV.masked_fill_(~real_BT.gather(1, score_BS)[..., None], 0.0)
        return logits_BSV.to(tokens_BT.device)
