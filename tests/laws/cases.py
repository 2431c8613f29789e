"""What the laws run on: tiny random models, prompts, batches, temperatures, filters and seeds.

@given(case=cases())
def test_a_law(case): ...

case.canvas(), case.sampler(), case.only(row)
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st

from anyorder.canvas import GIVEN, OPEN, Canvas
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.nets.native import build
from anyorder.nets.network import Network
from anyorder.nets.transformer import Transformer


@dataclass(frozen=True, kw_only=True)
class Row:
    """One text to write: `new` cells after the prompt, some of them forced (offset -> token)."""

    prompt: tuple[int, ...]
    new: int
    seed: int = 0
    forced: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A batch to decode, and the model to decode it with."""

    model: Any
    draft: Any  # another model of the same vocabulary
    rows: tuple[Row, ...]
    sampling: Sampling = Sampling()  # noqa: RUF009 - frozen

    def canvas(self) -> Canvas:
        canvas = Canvas.of_prompts(
            [r.prompt for r in self.rows], new_cells=[r.new for r in self.rows]
        )
        tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
        for b, row in enumerate(self.rows):
            for offset, token in row.forced:
                cell = len(row.prompt) + offset
                assert status_BN[b, cell] == OPEN, "a forced cell lies among the new ones"
                tokens_BN[b, cell], status_BN[b, cell] = token, GIVEN
        return replace(canvas, tokens_BN=tokens_BN, status_BN=status_BN)

    def sampler(self) -> Sampler:
        cells = max(len(row.prompt) + row.new for row in self.rows)
        return Sampler(self.sampling, Coins.of_seeds([row.seed for row in self.rows], cells=cells))

    def only(self, *rows: int) -> "Case":
        """The same, for these rows alone."""
        return replace(self, rows=tuple(self.rows[row] for row in rows))


# Nine texts of very different lengths; some have forced cells, and one has nothing to write.
RAGGED = (
    Row(prompt=(1, 2, 3) * 3, new=9, seed=1),
    Row(prompt=(4,), new=14, seed=2),
    Row(prompt=(0, 5) * 4, new=3, seed=3),
    Row(prompt=(3, 3, 3), new=11, seed=4, forced=((2, 1), (3, 4), (7, 0))),
    Row(prompt=(2, 4, 1, 0, 5, 2, 4), new=0, seed=5),
    Row(prompt=(5,), new=20, seed=6),
    Row(prompt=(1, 0) * 3, new=7, seed=7, forced=((0, 2),)),
    Row(prompt=(2,), new=26, seed=8),  # beyond the window of mistral
    Row(prompt=(0, 1, 2, 3, 4, 5, 0, 1, 2), new=12, seed=9),
)
VOCAB = 6
MORE = int(os.environ.get("LAW_EXAMPLES", "1"))  # LAW_EXAMPLES=50: a long search
seeds = st.integers(0, 2**31 - 1)


def transformer(seed: int, shape: str = "llama", vocab_size: int = VOCAB) -> Transformer:
    """See `network`."""
    net = network(seed, shape, vocab_size, "reference")
    assert isinstance(net, Transformer)
    return net


def network(seed: int, shape: str, vocab_size: int, precision: str, **where: Any) -> Any:
    """A random network of two layers whose logits lie well apart, so that last bits decide nothing.

    `shape`: llama, mistral (a window of 24 cells) or gpt2.
    """
    C, layers = 16, 2
    rng = torch.Generator().manual_seed(seed)

    def weights(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=rng) / size[-1] ** 0.5

    if shape == "gpt2":
        config = {"n_embd": C, "n_head": 2, "n_layer": layers, "n_positions": 64}
        config |= {"layer_norm_epsilon": 1e-5}
        tensors = {"wte.weight": weights(vocab_size, C), "wpe.weight": weights(64, C)}
        tensors |= {"ln_f.weight": torch.full((C,), 4.0), "ln_f.bias": weights(C)}
        sizes = {"attn.c_attn": (C, 3 * C), "attn.c_proj": (C, C)}
        sizes |= {"mlp.c_fc": (C, 4 * C), "mlp.c_proj": (4 * C, C)}
        for layer in range(layers):
            for norm in ("ln_1", "ln_2"):
                tensors[f"h.{layer}.{norm}.weight"] = 1 + weights(C)
                tensors[f"h.{layer}.{norm}.bias"] = weights(C)
            for name, (inputs, outputs) in sizes.items():
                tensors[f"h.{layer}.{name}.weight"] = 2 * weights(outputs, inputs).t()
                tensors[f"h.{layer}.{name}.bias"] = weights(outputs)
    else:
        config = {"hidden_size": C, "num_attention_heads": 4, "num_key_value_heads": 2}
        config |= {"num_hidden_layers": layers, "intermediate_size": 24, "rms_norm_eps": 1e-5}
        config |= {"max_position_embeddings": 64, "sliding_window": None}
        if shape == "mistral":
            config["sliding_window"] = 24
        tensors = {"model.embed_tokens.weight": weights(vocab_size, C)}
        tensors |= {"model.norm.weight": torch.full((C,), 4.0)}
        tensors |= {"lm_head.weight": weights(vocab_size, C)}
        sizes = {"self_attn.q_proj": (C, C), "self_attn.k_proj": (C // 2, C)}
        sizes |= {"self_attn.v_proj": (C // 2, C), "self_attn.o_proj": (C, C)}
        sizes |= {"mlp.gate_proj": (24, C), "mlp.up_proj": (24, C), "mlp.down_proj": (C, 24)}
        for layer in range(layers):
            at = f"model.layers.{layer}."
            tensors[f"{at}input_layernorm.weight"] = 1 + weights(C)
            tensors[f"{at}post_attention_layernorm.weight"] = 1 + weights(C)
            for name, size in sizes.items():
                tensors[f"{at}{name}.weight"] = 2 * weights(*size)
    config |= {"model_type": shape, "vocab_size": vocab_size}
    return build(config, tensors, precision, **where)


SHAPES = ("llama", "mistral", "gpt2")
COMPILED = ("float32", "bfloat16", "int8")  # precisions


@cache
def compiled(precision: str, shape: str = "llama") -> Any:
    """One whose forward pass is compiled code: the same bits whatever else is computed."""
    return network(0, shape, VOCAB, precision)


@dataclass(frozen=True, eq=False)
class Beside:
    """A small model beside a network: it goes on from the token that it reads, whatever was."""

    net: Network

    @property
    def vocab_size(self) -> int:
        return self.net.vocab_size

    @property
    def max_length(self) -> int:
        return self.net.max_length

    def new_cache(self, batch: int, room: int) -> Any:
        return self.net.new_cache(batch, room)

    def see(self, large_BPC: torch.Tensor, count_B: torch.Tensor, cache: Any) -> None:
        B, P = large_BPC.shape[:2]
        cache.reserve(P)
        cache.keep(torch.arange(P).expand(B, P), count_B)

    def extend(
        self,
        tokens_BT: torch.Tensor,
        cache: Any,
        *,
        tree: Any = None,
        score_BS: torch.Tensor | None = None,
    ) -> torch.Tensor:
        cache.reserve(tokens_BT.shape[1])
        read_BS = tokens_BT if score_BS is None else tokens_BT.gather(1, score_BS)
        return self.net.embedding_VC[read_BS] @ self.net.embedding_VC.T


@dataclass(frozen=True, eq=False)
class Headed:
    """A network with two more heads, which find what the first one finds second or third."""

    net: Network
    heads: int = 2
    leaps: int = 2
    stride: int = 2

    @property
    def vocab_size(self) -> int:
        return self.net.vocab_size

    @property
    def max_length(self) -> int:
        return self.net.max_length

    def among(
        self,
        tokens_BN: torch.Tensor,
        rank_BN: torch.Tensor,
        cells_BQ: torch.Tensor,
        seen_BQ: torch.Tensor,
    ) -> torch.Tensor:
        """What follows when a cell is told what it sees, from left to right."""
        told: dict[tuple[int, ...], torch.Tensor] = {}
        rows = []
        for tokens_N, rank_N, seen_Q in zip(tokens_BN, rank_BN, seen_BQ, strict=True):
            for seen in seen_Q:
                read = (0, *tokens_N[rank_N < seen].tolist())
                if read not in told:
                    cache = self.net.new_cache(1, len(read))
                    told[read] = self.net.extend(torch.tensor([read]), cache)[0, -1]
                rows.append(told[read])
        return torch.stack(rows).view(*cells_BQ.shape, -1)

    @property
    def embedding_VC(self) -> torch.Tensor:
        return self.net.embedding_VC

    @property
    def mask(self) -> int:
        return 3

    @property
    def hole(self) -> int:
        """See `SetBlockLM.hole`."""
        return self.mask

    @property
    def longest_block(self) -> int:
        return 3

    def new_cache(self, batch: int, room: int) -> Any:
        return self.net.new_cache(batch, room)

    def extend(self, tokens_BT: torch.Tensor, cache: Any, **options: Any) -> torch.Tensor:
        return self.net.extend(tokens_BT, cache, **options)

    def extend_with_features(
        self, tokens_BT: torch.Tensor, cache: Any, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits_BSV = self.net.extend(tokens_BT, cache, **options)
        return logits_BSV, logits_BSV

    def ahead(self, features_BC: torch.Tensor, heads: int | None = None) -> torch.Tensor:
        best_BH = features_BC.topk(1 + self.heads).indices[:, 1:][:, :heads]
        return torch.nn.functional.one_hot(best_BH, self.vocab_size).double()

    def leaping(self, features_BC: torch.Tensor) -> torch.Tensor:
        return self.ahead(features_BC).flip(1)

    @property
    def small(self) -> Beside:
        return Beside(self.net)

    @property
    def frequent_U(self) -> torch.Tensor:
        return torch.arange(0, self.vocab_size, 2)

    def new_head_cache(self, batch: int, room: int) -> Any:
        return self.net.new_cache(batch, room)

    def onward(
        self,
        features_BTC: torch.Tensor,
        tokens_BT: torch.Tensor,
        place_BT: torch.Tensor,
        cache: Any,
    ) -> torch.Tensor:
        cache.reserve(tokens_BT.shape[1])
        read_BTV = torch.nn.functional.one_hot(tokens_BT, self.vocab_size)
        return features_BTC.roll(1, -1) - read_BTV

    def said(self, features_BC: torch.Tensor, among_U: torch.Tensor | None) -> torch.Tensor:
        return features_BC if among_U is None else features_BC[:, among_U]


BATCHES = (1, 2, 4, 9)


def examples(count: int) -> settings:
    """How many random cases a law is tried on, for one decoder."""
    return settings(max_examples=MORE * count)


tables = st.builds(
    TableLM.random,
    seed=seeds,
    vocab_size=st.just(VOCAB),
    order=st.sampled_from([None, None, 1, 2]),
)
networks = st.sampled_from(
    [Headed(transformer(seed, shape)) for shape in SHAPES for seed in (0, 1)]
)
greedy = st.builds(
    Sampling,
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.7]),
    logit_bias=st.sampled_from([{}, {}, {0: 2.5, 3: -4.0}]),
)
warm = st.builds(
    Sampling,
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    top_k=st.sampled_from([0, 0, 3]),
    top_p=st.sampled_from([1.0, 1.0, 0.8]),
    min_p=st.sampled_from([0.0, 0.0, 0.1]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.3]),
    logit_bias=st.sampled_from([{}, {}, {0: 1.5, 3: -1.0}]),
)


@st.composite
def rows(draw: st.DrawFn, *, forced: bool = False) -> Row:
    """A prompt that repeats itself now and then, as texts do."""
    tokens = st.integers(0, VOCAB - 1)
    prompt = draw(st.lists(tokens, min_size=1, max_size=9))
    if draw(st.booleans()):
        prompt = (prompt * 3)[:9]
    new = draw(st.integers(0, 9))
    given = {}
    if forced and new:
        given = draw(st.dictionaries(st.integers(0, new - 1), tokens, max_size=5))
    return Row(prompt=tuple(prompt), new=new, seed=draw(seeds), forced=tuple(sorted(given.items())))


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    sampling: st.SearchStrategy[Sampling] = greedy | warm,
    models: st.SearchStrategy[Any] = tables,
    forced: bool = False,
    least_rows: int = 1,
) -> Case:
    """One to nine rows of any lengths; nine of them often."""
    size = draw(st.sampled_from([n for n in BATCHES if n >= least_rows]))
    batch: Sequence[Row] = draw(st.lists(rows(forced=forced), min_size=size, max_size=size))
    model, draft = draw(models), draw(tables)
    return Case(model=model, draft=draft, rows=tuple(batch), sampling=draw(sampling))
