"""Our autoregressive translator in CTranslate2: the same weights, another engine.

    with of(translator, precision="int8", threads=2, folder=tmp) as engine:
        engine.targets([[4, 5, 6], [7]], most=50)    # ids, greedily

Tokens are named by their ids. Needs `pip install ctranslate2`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anyorder.meter import Cost
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.translator import Translator
from anyorder.nets.layers import Attention, Embedding, Layer, Stack, waves
from benchmarks.engines.ctranslate_process import Running, running

try:
    ctranslate2: Any = import_module("ctranslate2")
    specs: Any = import_module("ctranslate2.specs")
except ImportError:  # an optional peer
    ctranslate2 = specs = None

PRECISIONS = ("float32", "int8")


@dataclass(frozen=True)
class CTranslate2:
    """A translator that CTranslate2 runs. Satisfies `measure.translation.Reader`."""

    translator: Translator
    engine: Running

    def reads(self, source: str) -> bool:
        return self.translator.reads(source)

    def write(self, sources: Sequence[str], max_new_tokens: int) -> Cost:
        """Translate a batch greedily; a call for each token of the longest target, and as we count
        ours the token that ends a target is one.
        """
        ids = [self.translator.source_units.encode(source) for source in sources]
        found, seconds = self._asked(ids, max_new_tokens)
        tokens = [min(len(target) + 1, max_new_tokens) for target in found]
        return Cost(calls=max(tokens), seconds=seconds, tokens=sum(tokens))

    def targets(self, sources: Sequence[Sequence[int]], most: int) -> list[list[int]]:
        """The ids of the targets, greedily, all sources in one batch."""
        return self._asked(sources, most)[0]

    def _asked(self, sources: Sequence[Sequence[int]], most: int) -> tuple[list[list[int]], float]:
        words = [[str(token) for token in source] for source in sources]
        found, seconds = self.engine.translate(words, most)
        return [[int(token) for token in each] for each in found], seconds

    def texts(self, sources: Sequence[str], most: int) -> list[str]:
        """The targets of many sources; "" for a source that is empty or too long."""
        readable = [i for i, source in enumerate(sources) if self.reads(source)]
        ids = [self.translator.source_units.encode(sources[i]) for i in readable]
        found = dict(zip(readable, self.targets(ids, most) if ids else [], strict=True))
        return [self.translator.units.decode(found.get(i, [])) for i in range(len(sources))]


@contextmanager
def of(
    translator: Translator, *, precision: str, threads: int, folder: Path
) -> Iterator[CTranslate2]:
    """Write the weights in CTranslate2's format into `folder`, and run them within the block.

    Raises ValueError for a network that is not autoregressive, ImportError without the peer.
    """
    if ctranslate2 is None:
        raise ImportError("CTranslate2 is not here: pip install ctranslate2")
    net = translator.net
    if not isinstance(net, Seq2Seq):
        raise ValueError(f"{translator.name} is not autoregressive: CTranslate2 can't run it")
    spec = converted(net)
    spec.validate()
    spec.optimize(quantization=None if precision == "float32" else precision)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    with running(folder, precision=precision, threads=threads) as engine:
        yield CTranslate2(translator, engine)


def version() -> dict[str, str]:
    """Of the peer, where it is."""
    return {} if ctranslate2 is None else {"ctranslate2": ctranslate2.__version__}


def converted(net: Seq2Seq) -> Any:
    """The network as CTranslate2's specification."""
    sizes = net.sizes
    layers, heads = (sizes.encoder_layers, sizes.decoder_layers), sizes.width.heads
    spec = specs.TransformerSpec.from_config(layers, heads, pre_norm=True)  # feed-forward: ReLU
    _embed(spec.encoder.embeddings[0], spec.encoder, net.source, sizes.max_length)
    _embed(spec.decoder.embeddings, spec.decoder, net.target, sizes.max_length)
    _stack(spec.encoder, net.encoder)
    _stack(spec.decoder, net.decoder)
    spec.decoder.projection.weight = _array(net.target.table.weight)
    spec.register_source_vocabulary([str(i) for i in range(sizes.source_vocab)])
    spec.register_target_vocabulary([str(i) for i in range(sizes.target_vocab)])
    spec.config.bos_token = spec.config.decoder_start_token = str(sizes.bos)
    spec.config.eos_token, spec.config.unk_token = str(sizes.eos), "0"
    spec.config.add_source_bos = spec.config.add_source_eos = False
    return spec


def _embed(table: Any, place: Any, ours: Embedding, longest: int) -> None:
    weight = ours.table.weight
    table.weight, place.scale_embeddings = _array(weight), True  # times sqrt(channels), as ours
    places_1R = torch.arange(longest)[None]
    place.position_encodings.encodings = _array(waves(places_1R, weight.shape[1])[0])


def _stack(spec: Any, ours: Stack) -> None:
    for into, layer in zip(spec.layer, ours.each, strict=True):
        _layer(into, layer)
    _norm(spec.layer_norm, ours.norm)


def _layer(spec: Any, ours: Layer) -> None:
    own = spec.self_attention
    _norm(own.layer_norm, ours.own_norm)
    query, both = ours.own.query, ours.own.key_value
    own.linear[0].weight = np.concatenate([_array(query.weight), _array(both.weight)])
    own.linear[0].bias = np.concatenate([_array(query.bias), _array(both.bias)])
    _linear(own.linear[1], ours.own.out)
    if ours.cross is not None:
        _cross(spec.attention, ours.cross, ours.cross_norm)
    _norm(spec.ffn.layer_norm, ours.middle_norm)
    _linear(spec.ffn.linear_0, ours.middle[0])
    _linear(spec.ffn.linear_1, ours.middle[2])


def _cross(spec: Any, ours: Attention, norm: Any) -> None:
    _norm(spec.layer_norm, norm)
    for into, layer in zip(spec.linear, (ours.query, ours.key_value, ours.out), strict=True):
        _linear(into, layer)


def _linear(spec: Any, ours: Any) -> None:
    spec.weight, spec.bias = _array(ours.weight), _array(ours.bias)


def _norm(spec: Any, ours: Any) -> None:
    spec.gamma, spec.beta = _array(ours.weight), _array(ours.bias)


def _array(weight: Tensor) -> np.ndarray:
    return weight.detach().float().numpy().copy()  # quantization writes into what it is given
