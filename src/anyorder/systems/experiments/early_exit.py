"""Models that may use so many layers a cell and no more, and how many they use.

Way("elmer", ExitsWithin(layers=3.0))
Inside(Trained(task, ways), Layers())

A cell that has left is not free (see `nets.early_exit`), and to see who leaves is not either. So
layers are counted by their multiplications, in layers of a cell that climbs:

    layers = l + (L - l) k + l h,     k = 2 C^2 / W,    h = C V / W,    W = 6 C^2 + 2 C F

for a cell that passes l of L layers: k for its keys and values at each layer above, h for the head
at each layer that it passes. That is the most: where no cell of a call climbs any more, the layers
above are left out, and at the last layer the head is the one that every model has. Norms, the
attention's weighing, and keys and values of the source, which are those of L layers, do not count.
Shapes: L layers, C channels, F channels in the middle of a layer, V target vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyorder.data.tasks import Task
from anyorder.decode.catalogue import parse
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.decode.run import Decoder
from anyorder.models.translator import Translator
from anyorder.nets.layers import EncoderDecoder
from anyorder.systems.experiments.school import School
from anyorder.train.early_exit import layers_per_cell, learn_exit


@dataclass(frozen=True)
class Work:
    """L, k and h of the head of this file.

    >>> work = Work(layers=6, keys_values=0.25, head=0.05)
    >>> work.of(passed=2.0), work.passed(within=3.1)
    (3.1, 2.0)
    """

    layers: int
    keys_values: float
    head: float

    @staticmethod
    def in_layers_of(net: EncoderDecoder) -> "Work":
        """What a network's keys, values and head cost beside one of its decoder's layers."""
        layers, (V, C) = net.decoder.each, net.target.table.weight.shape
        middle = sum(w.numel() for w in layers[0].middle.parameters() if w.dim() == 2)
        whole = 6 * C**2 + middle
        return Work(len(layers), 2 * C**2 / whole, C * V / whole)

    def of(self, passed: float) -> float:
        """Layers that cells cost at the most which pass so many of them, in the mean."""
        return passed + (self.layers - passed) * self.keys_values + passed * self.head

    def passed(self, within: float) -> float:
        """How many layers cells may pass. Raises ValueError where not even the first is."""
        most = (within - self.layers * self.keys_values) / (1 - self.keys_values + self.head)
        if most < 1:
            raise ValueError(
                f"a cell that leaves after one layer costs {self.of(1.0):.2f}, its keys, values "
                f"and head included; allow that or more, not {within}"
            )
        return most


@dataclass(frozen=True)
class ExitsWithin:
    """Early exits that cost `layers` layers a cell at the most on `pairs` held-out pairs."""

    layers: float
    pairs: int = 500

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        net, kind = translator.net, translator.kind
        if not isinstance(net, EncoderDecoder):
            raise ValueError(f"the cells of a {kind!r} model can't leave early")
        sources = [example.source for example in task.splits().valid[: self.pairs]]
        passed = Work.in_layers_of(net).passed(self.layers)
        return EarlyExit(learn_exit(translator, sources, layers=passed))


@dataclass(frozen=True)
class Layers:
    """`layers`: of the decoder, that a cell costs in a call, the mean, as counted above;
    `layers_passed`: those that are computed whole.
    """

    def of(
        self,
        translator: Translator,
        decoder: Decoder | str | None,
        sources: Sequence[str],
        *,
        longest: int = 200,
    ) -> Mapping[str, float]:
        """Without early exits, as many as the decoder has; nothing is written, however long."""
        wanted = translator.decoder if decoder is None else decoder
        chosen, net = parse(wanted) if isinstance(wanted, str) else wanted, translator.net
        if not isinstance(net, EncoderDecoder):
            return {}
        passed = layers = float(len(net.decoder.each))
        if isinstance(chosen, EarlyExit):
            passed = layers_per_cell(translator, sources, entropy=chosen.entropy)
            layers = Work.in_layers_of(net).of(passed)
        return {"layers": layers, "layers_passed": passed}
