"""Ways to write a target, each with the network and the loss that belong to it.

    paradigm = paradigms()["ctc"]
    net = paradigm.net(source_vocab=30, target_vocab=43)

Shapes do not appear here.
"""

from collections.abc import Mapping
from functools import cache

from anyorder.corrupt.glancing import Glancing
from anyorder.corrupt.spans import Spans
from anyorder.objectives.align_denoise import AlignThenDenoise
from anyorder.objectives.any_subset import GivenSubset
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
from anyorder.train.guessing import guessing
from anyorder.train.paradigm import Paradigm, extended
from anyorder.units.special import BLANK, BOS, EOS

# The paper's texts have 600 tokens; a sentence has room for fewer and shorter spans.
INFILLING = Infilling(Spans(share=0.35, most=6, shortest=2, apart=2), glancing=Glancing(0.2, 0.2))
REFINED = "mask-predict:candidates=5"


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
        "deep-shallow-12": Paradigm(**autoregressive, encoder_layers=12, decoder_layers=1),
        "autoregressive": Paradigm(**autoregressive, encoder_layers=3, decoder_layers=3),
        "deep": Paradigm(**autoregressive, encoder_layers=6, decoder_layers=6),
        **guessing(),
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
        "ctc-context-aware": extended(Paradigm(kind="ctc", objective=CTC(), **split), window=2),
        "ctc-glancing": Paradigm(kind="ctc", objective=CTC(Glancing(0.5, 0.3)), **split),
        "nmla": Paradigm(kind="ctc", objective=NonMonotonic(), **split),
        "dag": Paradigm(kind="dag", objective=DAG(), **split),
        "dag-glancing": Paradigm(kind="dag", objective=DAG(Glancing(0.5, 0.1)), **split),
        "dag-infilling": Paradigm(kind="dag", objective=INFILLING, **split),
        **_in_rounds(),
        **_of_one_stack(),
    }


def _by_length() -> dict[str, Paradigm]:
    """Those that predict the length, and then as many cells."""
    cells = {"encoder_layers": 3, "decoder_layers": 3, "kind": "parallel", "more": {"bos": BOS}}
    return {
        "vanilla": Paradigm(objective=LengthBased(), **cells),
        "glancing": Paradigm(objective=LengthBased(Glancing(0.5, 0.3)), **cells),
        "masked": Paradigm(objective=Masked(), **cells, decoder=REFINED),
        "masked-lexical": Paradigm(objective=LexicalChoice(), **cells, decoder=REFINED),
        "context-aware": extended(Paradigm(objective=LengthBased(), **cells), window=2),
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
        "markov": extended(markov, order=2),
        "levenshtein": Paradigm(kind="levenshtein", objective=DualPolicy(), **framed),
    }


def _of_one_stack() -> dict[str, Paradigm]:
    """The masked language model, what it becomes, and one that fills holes in order: none has a
    decoder of its own.
    """
    told = {
        "kind": "any-subset",
        "encoder_layers": 3,
        "decoder_layers": 0,
        "more": {"bos": BOS, "eos": EOS},
        "decoder": "any-subset",
    }
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
        "any-subset": Paradigm(objective=GivenSubset(), **told),
        "any-subset-joint": Paradigm(objective=GivenSubset(ahead=0.0), **told),
    }
