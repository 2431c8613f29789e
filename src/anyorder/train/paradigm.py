"""A way to write a target: the network and the loss that belong together.

    paradigm = Paradigm(kind="ctc", objective=CTC(), encoder_layers=3, decoder_layers=3)
    net = paradigm.net(source_vocab=30, target_vocab=43)

Those that there are: `train.paradigms`. Shapes do not appear here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from anyorder.models.kinds import KINDS, Net, built
from anyorder.nets.layers import Width
from anyorder.objectives.batch import Objective

WIDTH = Width(channels=192, heads=4, middle=768)  # with six layers 3 M weights, 13 MB


@dataclass(frozen=True, kw_only=True)
class Paradigm:
    """A kind of network (see `models.kinds.KINDS`), its layers, and what it is trained for.

    `more`: sizes that this kind alone has. `decoder`: if the first of its kind does not suit it.
    """

    kind: str
    objective: Objective
    encoder_layers: int
    decoder_layers: int
    width: Width = WIDTH
    more: Mapping[str, int] = field(default_factory=dict)
    decoder: str | None = None

    def net(self, *, source_vocab: int, target_vocab: int) -> Net:
        """The network with random weights, drawn from torch's common generator."""
        sizes = {
            "source_vocab": source_vocab,
            "target_vocab": target_vocab,
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "width": asdict(self.width),
        }
        if "decoder_layers" not in self._knows:
            del sizes["decoder_layers"]  # a network without a decoder
        return built(self.kind, {**sizes, **self.more})

    @property
    def _knows(self) -> frozenset[str]:
        """The names of its sizes."""
        return frozenset(KINDS[self.kind].sizes.__dataclass_fields__)

    def resized(
        self,
        *,
        channels: int | None = None,
        encoder_layers: int | None = None,
        decoder_layers: int | None = None,
        spread: int | None = None,
    ) -> "Paradigm":
        """The same with other sizes; None: as it was. Heads have 64 channels at the most, the
        feed-forward parts four times as many as there are. `spread`: cells for a source token.

        Raises ValueError for a size that this kind of network lacks.
        """
        given = {"decoder_layers": decoder_layers, "spread": spread}
        for name, size in given.items():
            if size is not None and name not in self._knows:
                raise ValueError(f"this kind of network ({self.kind}) has no {name}; leave it out")
        return replace(
            self,
            encoder_layers=encoder_layers or self.encoder_layers,
            decoder_layers=decoder_layers or self.decoder_layers,
            width=_wide(channels) if channels else self.width,
            more={**self.more, **({"spread": spread} if spread else {})},
        )


def _wide(channels: int) -> Width:
    """Heads of up to 64 channels, as few as there can be."""
    for heads in range(-(-channels // 64), channels):
        if channels % (2 * heads) == 0:
            return Width(channels=channels, heads=heads, middle=4 * channels)
    raise ValueError(f"{channels} channels can't be cut into heads; give a multiple of 64")


def extended(paradigm: Paradigm, **more: int) -> Paradigm:
    """The same, with more sizes."""
    return replace(paradigm, more={**paradigm.more, **more})
