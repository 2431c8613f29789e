"""Ways to write a target, each with the network and the loss that belong to it.

    paradigm = paradigms()["ctc"]
    net = paradigm.net(source_vocab=30, target_vocab=43)

Shapes do not appear here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache

from anyorder.corrupt.glancing import Glancing
from anyorder.models.translator import Net, built
from anyorder.nets.layers import Width
from anyorder.objectives.batch import Objective
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.ctc import CTC
from anyorder.objectives.dag import DAG
from anyorder.objectives.fertility import Fertility
from anyorder.objectives.length_based import LengthBased, Masked
from anyorder.objectives.nmla import NonMonotonic
from anyorder.units.special import BLANK, BOS, EOS

WIDTH = Width(channels=192, heads=4, middle=768)  # with six layers 3 M weights, 13 MB


@dataclass(frozen=True, kw_only=True)
class Paradigm:
    """A kind of network (see `models.translator.KINDS`), its layers, and what it is trained for.

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
        return built(self.kind, {**sizes, **self.more})


@cache
def paradigms() -> Mapping[str, Paradigm]:
    """Those that `anyorder train` offers, by name; sizes of a laptop."""
    autoregressive = {
        "kind": "seq2seq",
        "objective": CrossEntropy(),
        "more": {"bos": BOS, "eos": EOS},
    }
    cells = {"encoder_layers": 3, "decoder_layers": 3, "kind": "parallel", "more": {"bos": BOS}}
    fertile = {"encoder_layers": 3, "decoder_layers": 3, "kind": "fertility"}
    split = {"encoder_layers": 3, "decoder_layers": 3, "more": {"blank": BLANK, "spread": 3}}
    return {
        "deep-shallow": Paradigm(**autoregressive, encoder_layers=6, decoder_layers=1),
        "autoregressive": Paradigm(**autoregressive, encoder_layers=3, decoder_layers=3),
        "vanilla": Paradigm(objective=LengthBased(), **cells),
        "glancing": Paradigm(objective=LengthBased(Glancing(0.5, 0.3)), **cells),
        "fertility": Paradigm(objective=Fertility(), **fertile),
        "masked": Paradigm(objective=Masked(), decoder="mask-predict:candidates=5", **cells),
        "ctc": Paradigm(kind="ctc", objective=CTC(), **split),
        "ctc-glancing": Paradigm(kind="ctc", objective=CTC(Glancing(0.5, 0.3)), **split),
        "nmla": Paradigm(kind="ctc", objective=NonMonotonic(), **split),
        "dag": Paradigm(kind="dag", objective=DAG(), **split),
        "dag-glancing": Paradigm(kind="dag", objective=DAG(Glancing(0.5, 0.1)), **split),
    }
