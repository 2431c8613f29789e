"""Ways to write a target, each with the network and the loss that belong to it.

    paradigm = paradigms()["ctc"]
    net = paradigm.net(source_vocab=30, target_vocab=43)

Shapes do not appear here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache

from anyorder.corrupt.glancing import Glancing
from anyorder.corrupt.spans import Spans
from anyorder.models.translator import KINDS, Net, built
from anyorder.nets.layers import Width
from anyorder.objectives.ahead import Ahead
from anyorder.objectives.align_denoise import AlignThenDenoise
from anyorder.objectives.batch import Objective
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.ctc import CTC
from anyorder.objectives.dag import DAG
from anyorder.objectives.early_exit import LayerPermutation, OffRamps
from anyorder.objectives.fertility import Fertility
from anyorder.objectives.infilling import Infilling
from anyorder.objectives.length_based import LengthBased, Masked
from anyorder.objectives.levenshtein import DualPolicy
from anyorder.objectives.lexical_choice import LexicalChoice
from anyorder.objectives.markov import Markov
from anyorder.objectives.masked_lm import MaskedTexts
from anyorder.objectives.nmla import NonMonotonic
from anyorder.objectives.semi_autoregressive import SemiAutoregressiveTuning
from anyorder.objectives.set_block import SetBlockTuning
from anyorder.units.special import BLANK, BOS, EOS

# The paper's texts have 600 tokens; a sentence has room for fewer and shorter spans.
INFILLING = Infilling(Spans(share=0.35, most=6, shortest=2, apart=2), glancing=Glancing(0.2, 0.2))
REFINED = "mask-predict:candidates=5"
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


@cache
def paradigms() -> Mapping[str, Paradigm]:
    """Those that `anyorder train` offers, by name; sizes of a laptop."""
    autoregressive = {
        "kind": "seq2seq",
        "objective": CrossEntropy(),
        "more": {"bos": BOS, "eos": EOS},
    }
    fertile = {"encoder_layers": 3, "decoder_layers": 3, "kind": "fertility"}
    split = {"encoder_layers": 3, "decoder_layers": 3, "more": {"blank": BLANK, "spread": 3}}
    return {
        "deep-shallow": Paradigm(**autoregressive, encoder_layers=6, decoder_layers=1),
        "autoregressive": Paradigm(**autoregressive, encoder_layers=3, decoder_layers=3),
        "deep": Paradigm(**autoregressive, encoder_layers=6, decoder_layers=6),
        **_headed(),
        **_masking(),
        **_by_length(),
        "fertility": Paradigm(objective=Fertility(), **fertile),
        "ctc": Paradigm(kind="ctc", objective=CTC(), **split),
        "ctc-deep-shallow": Paradigm(
            kind="ctc",
            objective=CTC(),
            encoder_layers=6,
            decoder_layers=1,
            more={"blank": BLANK, "spread": 2},
        ),
        "ctc-context-aware": _with(Paradigm(kind="ctc", objective=CTC(), **split), window=2),
        "ctc-glancing": Paradigm(kind="ctc", objective=CTC(Glancing(0.5, 0.3)), **split),
        "nmla": Paradigm(kind="ctc", objective=NonMonotonic(), **split),
        "dag": Paradigm(kind="dag", objective=DAG(), **split),
        "dag-glancing": Paradigm(kind="dag", objective=DAG(Glancing(0.5, 0.1)), **split),
        "dag-infilling": Paradigm(kind="dag", objective=INFILLING, **split),
        **_in_rounds(),
        **_of_one_stack(),
    }


def _headed() -> dict[str, Paradigm]:
    """Left to right, with heads that guess what stands further ahead."""
    headed = {"encoder_layers": 6, "decoder_layers": 1, "kind": "headed"}
    headed |= {"more": {"bos": BOS, "eos": EOS, "heads": 7}}
    return {
        "blockwise": Paradigm(objective=Ahead(), **headed),
        "blockwise-frozen": Paradigm(objective=Ahead(frozen=True), **headed),
    }


def _masking() -> dict[str, Paradigm]:
    """Left to right, and several tokens at once where masks are read; begun from a `deep`."""
    more = {"bos": BOS, "eos": EOS, "mask": BLANK}
    foretelling, blocks = SemiAutoregressiveTuning(), SetBlockTuning()
    kinds = {"space": ("semi-autoregressive", foretelling), "set-block": ("set-block", blocks)}
    return {
        name: Paradigm(kind=kind, objective=tuning, encoder_layers=6, decoder_layers=6, more=more)
        for name, (kind, tuning) in kinds.items()
    }


def _by_length() -> dict[str, Paradigm]:
    """Those that predict the length, and then as many cells."""
    cells = {"encoder_layers": 3, "decoder_layers": 3, "kind": "parallel", "more": {"bos": BOS}}
    return {
        "vanilla": Paradigm(objective=LengthBased(), **cells),
        "glancing": Paradigm(objective=LengthBased(Glancing(0.5, 0.3)), **cells),
        "masked": Paradigm(objective=Masked(), **cells, decoder=REFINED),
        "masked-lexical": Paradigm(objective=LexicalChoice(), **cells, decoder=REFINED),
        "context-aware": _with(Paradigm(objective=LengthBased(), **cells), window=2),
        "elmer-pretraining": Paradigm(
            objective=LayerPermutation(), decoder="early-exit", **{**cells, "decoder_layers": 6}
        ),
        "elmer": Paradigm(
            objective=OffRamps(), decoder="early-exit", **{**cells, "decoder_layers": 6}
        ),
    }


def _in_rounds() -> dict[str, Paradigm]:
    """Those that are asked several times, each time about what they said before."""
    framed = {"encoder_layers": 3, "decoder_layers": 3, "more": {"bos": BOS, "eos": EOS}}
    markov = Paradigm(kind="markov", objective=Markov(), **framed, decoder="cascade:order=2")
    return {
        "markov": _with(markov, order=2),
        "levenshtein": Paradigm(kind="levenshtein", objective=DualPolicy(), **framed),
    }


def _of_one_stack() -> dict[str, Paradigm]:
    """The masked language model, and what it becomes: neither has a decoder of its own."""
    return {
        "semantic-guided": Paradigm(
            kind="semantic-guided",
            objective=AlignThenDenoise(),
            encoder_layers=3,
            decoder_layers=0,
            more={"blank": BLANK, "prompt": 32, "spread": 2},
            decoder="align-denoise",
        ),
        "masked-lm": Paradigm(
            kind="masked-lm", objective=MaskedTexts(), encoder_layers=3, decoder_layers=0
        ),
    }


def _with(paradigm: Paradigm, **more: int) -> Paradigm:
    """The same, with more sizes."""
    return replace(paradigm, more={**paradigm.more, **more})
