"""What goes on inside trained networks while they write, beside what they write.

    Inside(Trained(Pronounce(), ways), Locality())     # how diffuse the attention to the source is

The models are those of `Trained`, which trains each once. A network that has nothing to look at
gets no number.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from anyorder.decode.run import Decoder
from anyorder.measure.translation import translate
from anyorder.models.translator import Translator
from anyorder.nets.layers import EncoderDecoder
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import Numbers, Part


@runtime_checkable
class Look(Protocol):
    """What is looked at: a frozen dataclass."""

    def of(
        self,
        translator: Translator,
        decoder: Decoder | str | None,
        sources: Sequence[str],
        *,
        longest: int = 200,
    ) -> Mapping[str, float]:
        """Numbers about one model while it writes the targets of these sources, of `longest` tokens
        at the most.
        """
        ...


@dataclass(frozen=True)
class Inside:
    """The same models as in `trained`, seen with `look` on `test` sources that were held out."""

    trained: Trained
    look: Look
    test: int = 200

    def parts(self, bench: Bench) -> Sequence[Part]:
        """One a seed."""
        name = f"{self.trained.task.name}: inside"
        return [
            Part(f"{name} {seed}", seed, "initialisation", partial(self.seen, bench, seed))
            for seed in range(bench.seeds)
        ]

    def seen(self, bench: Bench, seed: int) -> Numbers:
        """The numbers of all ways."""
        school = self.trained.school(bench, seed)
        tested = school.task.splits().test[: bench.reduced(self.test, 3)]
        sources = [example.source for example in tested]
        return {
            name: self.look.of(
                school.translator(way), school.decoder(way), sources, longest=school.longest
            )
            for name, way in self.trained.ways.items()
        }


@dataclass(frozen=True)
class Locality:
    """`locality_entropy`: of the decoder's attention to the source, in nats, the mean of all cells,
    heads and layers; `global_share`: the gate of local attention, where there is one (1: the local
    part has no say). Source: Ding et al. 2020 (arXiv:2011.00770), section 4.
    """

    def of(
        self,
        translator: Translator,
        decoder: Decoder | str | None,
        sources: Sequence[str],
        *,
        longest: int = 200,
    ) -> Mapping[str, float]:
        """Sources are read one by one, so that no padding is counted."""
        entropies, shares = list[float](), list[float]()

        def look(attention: nn.Module, given: tuple, _found: Tensor) -> None:
            weight_BHTS = attention.weights(*given)  # type: ignore[operator]
            entropies.append(float(torch.special.entr(weight_BHTS).sum(-1).mean()))

        def share(_gate: nn.Module, _given: tuple, found: Tensor) -> None:
            shares.append(float(found.sigmoid().mean()))

        net = translator.net
        layers = net.decoder.each if isinstance(net, EncoderDecoder) else []
        crosses = [layer.cross for layer in layers]
        nears = [cross.near.gate for cross in crosses if cross is not None and cross.near]
        watched = [(cross, look) for cross in crosses if cross] + [(gate, share) for gate in nears]
        with _hooks(watched):
            translate(translator, sources, decoder=decoder, max_new_tokens=longest, batch=1)
        found = {"locality_entropy": entropies, "global_share": shares}
        return {name: fmean(values) for name, values in found.items() if values}


@dataclass(frozen=True)
class LayersRun:
    """`layers_per_token`: how many layers of the decoder are run for a cell, the mean of all cells
    that are read. They are counted while PyTorch's operators write, source by source.
    """

    def of(
        self,
        translator: Translator,
        decoder: Decoder | str | None,
        sources: Sequence[str],
        *,
        longest: int = 200,
    ) -> Mapping[str, float]:
        """A layer that is run for a cell counts, whether its result is used or not."""
        net, cells, layers = translator.net, list[int](), list[int]()
        if not isinstance(net, EncoderDecoder):
            return {}

        def read(_table: nn.Module, given: tuple, _found: Tensor) -> None:
            cells.append(given[0].numel())

        def run(_layer: nn.Module, given: tuple, _found: Tensor) -> None:
            layers.append(given[0][..., 0].numel())

        with _hooks([(net.target.table, read), *((layer, run) for layer in net.decoder.each)]):
            plain = replace(translator, fast=False)
            translate(plain, sources, decoder=decoder, max_new_tokens=longest, batch=1)
        return {"layers_per_token": sum(layers) / sum(cells)}


@contextmanager
def _hooks(watched: Sequence[tuple]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
