"""Any causal language model of `transformers` as a `CausalLM`, unmodified.

    model = HuggingFaceLM(AutoModelForCausalLM.from_pretrained(folder))
    logits_BSV = model.extend(tokens_BT, model.new_cache(batch=2, room=64))

It works for models that honour a mask and positions that are handed to them. Whether a model does
is not looked up in a list: it is tried once, with a dozen tokens, when the adapter is made.
Importing this module imports `transformers`.
Shapes: B rows, T new cells, S scored cells, E cells of the cache in use, V vocabulary.
"""

import inspect
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from anyorder.masks import Tree
from anyorder.models.hugging.fingerprint import fingerprint
from anyorder.models.hugging.ragged_cache import RaggedCache
from anyorder.models.hugging.trial import alike, remember, tried

_LENGTHS: Final = ("max_position_embeddings", "max_seq_len", "n_positions", "n_ctx")


@dataclass(frozen=True)
class HuggingFaceLM:
    """Satisfies `CausalLM`; made once for a model, whose weights it neither copies nor changes.

    Raises ValueError for a model that can't be read row by row at its own length or in trees:
    encoder-decoders, recurrent ones, those that make positions or masks of their own.
    """

    model: PreTrainedModel

    def __post_init__(self) -> None:
        self.model.eval()
        why = "" if tried(self.model) else self._unfit() or self._unlike_itself()
        if why:
            raise ValueError(
                f"a {self.model.config.model_type!r} model can't be used to draft and verify: {why}"
            )
        remember(self.model)

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        return fingerprint(self.model)

    @property
    def vocab_size(self) -> int:
        return int(self._config.vocab_size)

    @property
    def embedding_VC(self) -> Float[Tensor, "V C"]:
        words: Any = self.model.get_input_embeddings()
        return words.weight.detach()

    @property
    def max_length(self) -> int:
        """The context; of positions that turn otherwise in a longer text, the shorter one.

        (A row's answer would depend on the rows beside it, and on the cache's age.)
        """
        rope = getattr(self._config, "rope_parameters", None) or {}
        if rope.get("rope_type") == "longrope":
            return int(rope["original_max_position_embeddings"])
        stated = (getattr(self._config, name, None) for name in _LENGTHS)
        return next((int(length) for length in stated if length), sys.maxsize)

    def new_cache(self, batch: int, room: int) -> RaggedCache:
        return RaggedCache(layers=self._config.num_hidden_layers, batch=batch, room=room)

    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: RaggedCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        B, T = tokens_BT.shape
        tree = tree or Tree.chain(B, T)
        if len(tree.parents_BT) != B:  # one tree for all rows
            tree = Tree(tree.parents_BT.expand(B, T))
        end = cache.reserve(T)
        place_BT = cache.length_B[:, None] + tree.depth_BT.cpu()
        columns = torch.arange(T) if score_BS is None else score_BS.cpu().unique()
        logits_BCV = self._logits(
            columns,
            input_ids=tokens_BT.to(self.model.device),
            # junk beyond a row's end has places that the model may not know
            position_ids=place_BT.clamp_max(self.max_length - 1).to(self.model.device),
            attention_mask=self._masks(cache, end, tree, place_BT),
            past_key_values=cache.memory,
            use_cache=True,
        )
        if score_BS is not None:
            at_BS = torch.searchsorted(columns, score_BS.cpu()).to(logits_BCV.device)
            logits_BCV = logits_BCV[torch.arange(B)[:, None], at_BS]
        return logits_BCV.float().to(tokens_BT.device)

    @property
    def _config(self) -> Any:
        return self.model.config.get_text_config()

    @cached_property
    def _takes(self) -> frozenset[str]:
        """The names of what the model's forward takes."""
        return frozenset(inspect.signature(self.model.forward).parameters)

    def _logits(self, columns: Int[Tensor, " C"], **inputs: Any) -> Float[Tensor, "B C V"]:
        """The logits of these cells of every row; others are not computed where possible."""
        columns = columns.to(self.model.device)
        if "logits_to_keep" in self._takes:
            return self.model(logits_to_keep=columns, **inputs).logits
        return self.model(**inputs).logits[:, columns]

    def _masks(
        self, cache: RaggedCache, end: int, tree: Tree, place_BT: Int[Tensor, "B T"]
    ) -> Tensor | dict[str, Tensor]:
        """What is added to the attention scores; by kind of layer where there are two kinds."""
        sees_BTE = visible(cache.length_B, end, tree)
        kinds = _layer_kinds(self._config)
        if kinds == {"full_attention"}:
            return self._added(sees_BTE)
        length_B = cache.length_B
        column_BE = torch.arange(end).expand(len(length_B), end).contiguous()
        column_BE.scatter_(1, cache.places_BT, place_BT)  # a drafted cell stands elsewhere
        near_BTE = place_BT[..., None] - column_BE[:, None] < self._config.sliding_window
        if kinds == {"sliding_attention"}:
            return self._added(sees_BTE & near_BTE)
        return {
            "full_attention": self._added(sees_BTE),
            "sliding_attention": self._added(sees_BTE & near_BTE),
        }

    def _added(self, sees_BTE: Bool[Tensor, "B T E"]) -> Float[Tensor, "B 1 T E"]:
        dtype, device = self.model.dtype, self.model.device
        mask_BTE = torch.zeros(sees_BTE.shape, dtype=dtype, device=device)
        return mask_BTE.masked_fill_(~sees_BTE.to(device), torch.finfo(dtype).min)[:, None]

    def _unfit(self) -> str:
        """Why the model's shape is of another kind; "" if it is not."""
        if self.model.config.is_encoder_decoder:
            return "it has an encoder"
        other = _layer_kinds(self._config) - {"full_attention", "sliding_attention"}
        if other:
            return f"it has layers of {min(other)!r}"
        lacking = [name for name in ("position_ids", "past_key_values") if name not in self._takes]
        return f"it takes no {lacking[0]}" if lacking else ""

    def _unlike_itself(self) -> str:
        """Why the model's answer here differs from its plain answer; "" if it does not."""
        try:
            ours_SV, plain_SV = self._trial()
        except Exception as error:  # foreign code may fail in any way when it is given a mask
            return f"a trial failed with {type(error).__name__}: {error}".split("\n")[0]
        close = alike(ours_SV, plain_SV, self.model.dtype)
        return "" if close else "it does not heed the masks and positions that it is given"

    def _trial(self) -> tuple[Float[Tensor, "S V"], Float[Tensor, "S V"]]:
        """Logits of a small tree below rows of different lengths, and those of plain forwards."""
        token_N = (torch.arange(14) * 7919 + 13) % self.vocab_size
        first_BT, drafted_BT = token_N[:6].view(2, 3), token_N[6:].view(2, 4)
        tree = Tree(torch.tensor([[-1, -1, 1, 0]]).expand(2, 4))
        cache = self.new_cache(batch=2, room=8)
        self.extend(first_BT, cache)
        kept = [3, 1]
        cache.keep(torch.arange(3).expand(2, 3), torch.tensor(kept))
        ours_BTV = self.extend(drafted_BT, cache, tree=tree)
        plain = list[Tensor]()
        for row in range(2):
            for path in ([1, 2], [0, 3]):
                text_N = torch.cat([first_BT[row, : kept[row]], drafted_BT[row, path]])
                with torch.no_grad():
                    out = self.model(input_ids=text_N[None].to(self.model.device), use_cache=False)
                plain.append(out.logits[0, -2:].float().to(first_BT.device))
        ours = [ours_BTV[row, path] for row in range(2) for path in ([1, 2], [0, 3])]
        return torch.cat(ours), torch.cat(plain)


def visible(length_B: Int[Tensor, " B"], end: int, tree: Tree) -> Bool[Tensor, "B T E"]:
    """Which cells of a ragged cache each new cell sees: the committed ones and its ancestors.

    >>> visible(torch.tensor([1, 0]), 2, Tree.chain(2, 1)).int().tolist()
    [[[1, 1]], [[1, 0]]]
    """
    T = tree.parents_BT.shape[1]
    ahead_BE = torch.arange(end) - length_B[:, None]
    old_BE, new_BE = ahead_BE < 0, (ahead_BE >= 0) & (ahead_BE < T)
    at_BTE = ahead_BE.clamp(0, T - 1)[:, None].expand(-1, T, -1)
    return old_BE[:, None] | (new_BE[:, None] & tree.sees_BTT.cpu().gather(2, at_BTE))


def _layer_kinds(config: Any) -> set[str]:
    """The kinds of a model's layers, found as the caches of `transformers` find them."""
    stated = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    if stated is not None:
        return set(stated)
    if getattr(config, "sliding_window", None) is not None:
        return {"sliding_attention"}
    if getattr(config, "attention_chunk_size", None) is not None:
        return {"chunked_attention"}
    return {"full_attention"}
