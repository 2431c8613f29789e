"""An encoder-decoder of `transformers` that writes for any decoder here, unmodified.

    model = HuggingFaceSeq2Seq(AutoModelForSeq2SeqLM.from_pretrained(folder))
    lm = model.read([[4, 5, 6], [7]])             # a causal model of the targets of these sources
    logits_BSV = lm.extend(tokens_BT, lm.new_cache(batch=2, room=64))

For Marian, T5, BART and their kin. Whether a model is one of them is not looked up in a list: it is
tried once, with a dozen tokens, when it is wrapped. What begins a target is the caller's affair
(see `hugging_translator`). Importing this module imports `transformers`.
Shapes: B rows, S source cells or scored cells, T new cells, E cells of the cache in use,
R chosen rows, P cells of a path, C channels, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from anyorder.masks import Tree
from anyorder.models.hugging.adapter import visible
from anyorder.models.hugging.decoders import DecoderStack, Reading, stack_of
from anyorder.models.hugging.fingerprint import fingerprint
from anyorder.models.hugging.ragged_cache import RaggedCache
from anyorder.models.hugging.trial import alike, remember, tried
from anyorder.models.sources import OfSources, padded
from anyorder.nets.source_cache import BesideSource


@dataclass(frozen=True)
class HuggingFaceSeq2Seq:
    """An encoder-decoder, whose weights are neither copied nor changed.

    `never`: tokens that it does not write: their logits are minus infinity. Raises ValueError for
    a model without an encoder or a decoder, and one of a shape that can't be read row by row.
    """

    model: PreTrainedModel
    never: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.model.eval()
        why = "" if stack_of(self.model) else "its decoder is missing, or of another shape"
        why = why or ("" if tried(self.model) else self._unlike_itself())
        if why:
            kind = self.model.config.model_type
            raise ValueError(f"a {kind!r} model can't be used as an encoder-decoder: {why}")
        remember(self.model)

    @cached_property
    def stack(self) -> DecoderStack:
        """The decoder, whose cells stand where they are told to."""
        stack = stack_of(self.model)
        assert stack is not None, "looked at when this was made"
        return stack

    @property
    def vocab_size(self) -> int:
        """Of the target."""
        head: Any = self.model.get_output_embeddings()
        return int(head.weight.shape[0])

    @property
    def max_length(self) -> int:
        """Tokens of a source or a target at the most."""
        return self.stack.max_length

    def read(self, sources: Sequence[Sequence[int]]) -> "HuggingFaceSourceLM":
        """A causal model of what these sources become.

        Raises ValueError for a source that is empty, and for one beyond the model's positions.
        """
        source_BS, source_B = padded(sources)
        if source_BS.shape[1] > self.max_length:
            raise ValueError(
                f"a source has {source_BS.shape[1]} tokens; the model reads {self.max_length} "
                "at most: shorten it"
            )
        return HuggingFaceSourceLM(self, source_BS, source_B)

    def _unlike_itself(self) -> str:
        """Why the model's answer here differs from its plain answer; "" if it does not."""
        try:
            ours_SV, plain_SV = self._trial()
        except Exception as error:  # foreign code may fail in any way when it is given a mask
            return f"a trial failed with {type(error).__name__}: {error}".split("\n")[0]
        close = alike(ours_SV, plain_SV, self.model.dtype)
        return "" if close else "its layers do not heed the masks and positions that they are given"

    @torch.no_grad()
    def _trial(self) -> tuple[Float[Tensor, "S V"], Float[Tensor, "S V"]]:
        """Logits of a small tree below rows of different lengths, and those of plain forwards."""
        token_N = torch.arange(14) * 7919 + 13
        target_N = 2 + token_N % (self.vocab_size - 2)  # 0 and 1 may be padding
        words: Any = self.model.get_input_embeddings()
        source_N = (2 + token_N % (words.weight.shape[0] - 2)).tolist()
        sources = [source_N[:3], source_N[3:8]]
        first_BT, drafted_BT = target_N[:6].view(2, 3), target_N[6:].view(2, 4)
        lm = self.read(sources)
        cache = lm.new_cache(batch=2, room=8)
        lm.scores(first_BT, cache)
        kept = [3, 1]
        cache.keep(torch.arange(3).expand(2, 3), torch.tensor(kept))
        ours_BTV = lm.scores(drafted_BT, cache, tree=Tree(torch.tensor([[-1, -1, 1, 0]])))
        ours, plain = list[Tensor](), list[Tensor]()
        for row, path in ((0, [1, 2]), (0, [0, 3]), (1, [1, 2]), (1, [0, 3])):
            text_N = torch.cat([first_BT[row, : kept[row]], drafted_BT[row, path]])
            out = self.model(
                input_ids=torch.tensor([sources[row]], device=self.model.device),
                decoder_input_ids=text_N[None].to(self.model.device),
                use_cache=False,
            )
            ours.append(ours_BTV[row, path])
            plain.append(out.logits[0, -2:].float().cpu())
        return torch.cat(ours), torch.cat(plain)


@dataclass
class HuggingFaceSourceCache(BesideSource[RaggedCache]):
    """Satisfies `Cache`: keys and values of the texts (`own`) and of their sources (`cross`).

    `origin` names each row's source: rows that change places among those of one source, as beams
    do, share what is known of it.
    """

    states_BSC: Float[Tensor, "B S C"]
    reads: Float[Tensor, "B 1 1 S"] | None
    origin: tuple[int, ...]
    cross: DynamicCache = field(default_factory=DynamicCache)

    def __post_init__(self) -> None:
        self.memory = EncoderDecoderCache(self.own.memory, self.cross)

    def select(self, rows_R: Int[Tensor, " R"]) -> "HuggingFaceSourceCache":
        rows = rows_R.tolist()
        own, origin = self.own.select(rows_R), tuple(self.origin[row] for row in rows)
        if origin == self.origin and len(self.cross):  # one that is empty is filled by its owner
            return HuggingFaceSourceCache(own, self.states_BSC, self.reads, origin, self.cross)
        cross, read = DynamicCache(), list[Any](self.cross.layers)
        for number, layer in enumerate(read):
            cross.update(layer.keys[rows], layer.values[rows], number)
        reads = None if self.reads is None else self.reads[rows]
        return HuggingFaceSourceCache(own, self.states_BSC[rows], reads, origin, cross)


class HuggingFaceSourceLM(OfSources[HuggingFaceSeq2Seq]):
    """Satisfies `CausalLM`, one row for each source; the source is encoded with the cache."""

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        return fingerprint(self.net.model)

    @property
    def vocab_size(self) -> int:
        return self.net.vocab_size

    @property
    def max_length(self) -> int:
        return self.net.max_length

    @torch.no_grad()
    def new_cache(self, batch: int, room: int) -> HuggingFaceSourceCache:
        """Reads the sources. A batch of 1 beside several sources is that of the first alone."""
        model, B = self.net.model, len(self.source_BS)
        assert batch in (1, B), f"{batch} rows for {B} sources"
        own_BS = torch.arange(self.source_BS.shape[1]) < self.source_B[:batch, None]
        encoder: Any = model.get_encoder()
        states_BSC = encoder(
            input_ids=self.source_BS[:batch].to(model.device),
            attention_mask=own_BS.long().to(model.device),
        ).last_hidden_state
        reads = None if bool(own_BS.all()) else _added(model, own_BS[:, None])
        layers = model.config.num_hidden_layers
        own = RaggedCache(layers=layers, batch=batch, room=room)
        return HuggingFaceSourceCache(own, states_BSC, reads, tuple(range(batch)))

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: HuggingFaceSourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        logits_BSV = self.scores(tokens_BT, cache, tree=tree, score_BS=score_BS)
        if self.net.never:
            logits_BSV[..., list(self.net.never)] = -torch.inf
        return logits_BSV

    @torch.no_grad()
    def scores(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: HuggingFaceSourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """`extend`, as the model itself has it: without `never`."""
        B, T = tokens_BT.shape
        tree = tree or Tree.chain(B, T)
        if len(tree.parents_BT) != B:  # one tree for all rows
            tree = Tree(tree.parents_BT.expand(B, T))
        x_BTC = self.net.stack.states(self._reading(tokens_BT, cache, tree))
        if score_BS is not None:
            score_BS = score_BS.to(x_BTC.device)
            x_BTC = x_BTC[torch.arange(B, device=x_BTC.device)[:, None], score_BS]
        return self.net.stack.head(x_BTC).float().to(tokens_BT.device)

    def _reading(self, tokens_BT: Tensor, cache: HuggingFaceSourceCache, tree: Tree) -> Reading:
        """The new cells, with their positions and what they see."""
        model = self.net.model
        B, T = tokens_BT.shape
        end = cache.own.reserve(T)
        length_B = cache.length_B
        place_BT = length_B[:, None] + tree.depth_BT.cpu()
        place_BE = torch.arange(end).expand(B, end).contiguous()
        place_BE.scatter_(1, cache.own.places_BT, place_BT)  # a drafted cell stands elsewhere
        alike = T == 1 and bool((length_B == length_B[0]).all())  # then all is seen
        return Reading(
            tokens_BT.to(model.device),
            place_BT.to(model.device),
            place_BE.to(model.device),
            None if alike else _added(model, visible(length_B, end, tree)),
            cache.memory,
            cache.states_BSC,
            cache.reads,
        )


def _added(model: PreTrainedModel, sees_BTE: Bool[Tensor, "B T E"]) -> Float[Tensor, "B 1 T E"]:
    """What is added to attention scores."""
    mask_BTE = torch.zeros(sees_BTE.shape, dtype=model.dtype, device=model.device)
    return mask_BTE.masked_fill_(~sees_BTE.to(model.device), torch.finfo(model.dtype).min)[:, None]
