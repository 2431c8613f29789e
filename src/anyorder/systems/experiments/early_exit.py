"""Models that may use so many layers a cell and no more, and how many they use.

Way("elmer", ExitsWithin(layers=3.0))
Inside(Trained(task, ways), Layers())
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
class ExitsWithin:
    """Early exits that need `layers` layers a cell on `pairs` held-out pairs."""

    layers: float
    pairs: int = 500

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        sources = [example.source for example in task.splits().valid[: self.pairs]]
        return EarlyExit(learn_exit(translator, sources, layers=self.layers))


@dataclass(frozen=True)
class Layers:
    """`layers`: of the decoder that are computed for a cell in a call, the mean."""

    def of(
        self, translator: Translator, decoder: Decoder | str | None, sources: Sequence[str]
    ) -> Mapping[str, float]:
        """Without early exits, as many as the decoder has."""
        wanted = translator.decoder if decoder is None else decoder
        chosen = parse(wanted) if isinstance(wanted, str) else wanted
        if isinstance(chosen, EarlyExit):
            return {"layers": layers_per_cell(translator, sources, entropy=chosen.entropy)}
        net = translator.net
        return {"layers": float(len(net.decoder.each))} if isinstance(net, EncoderDecoder) else {}
