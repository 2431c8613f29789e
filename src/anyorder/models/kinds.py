"""Kinds of networks that translate, by name: their sizes, and the decoders that suit them.

    net = built("ctc", sizes)
    KINDS["ctc"].decoders, kind_of(net)

Shapes do not appear here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyorder.models.any_subset import AnySubsetSizes, AnySubsetTransformer
from anyorder.models.left_to_right.headed import HeadedSeq2Seq, HeadedSizes
from anyorder.models.left_to_right.leaping import LeapSeq2Seq, LeapSizes
from anyorder.models.left_to_right.markov import MarkovSizes, MarkovTransformer
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq, RecursiveSizes
from anyorder.models.left_to_right.semi_autoregressive import (
    SemiAutoregressiveSeq2Seq,
    SemiAutoregressiveSizes,
)
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq, SetBlockSizes
from anyorder.models.left_to_right.skipping import SkippingSeq2Seq, SkippingSizes
from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq, TandemSizes
from anyorder.models.left_to_right.token_order import TokenOrderSeq2Seq
from anyorder.models.left_to_right.transfer import TransferSeq2Seq, TransferSizes
from anyorder.models.masked_lm import MaskedLM, MaskedLMSizes
from anyorder.models.parallel.fertility import FertilityTransformer
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.levenshtein import LevenshteinSizes, LevenshteinTransformer
from anyorder.models.parallel.one_shot import (
    CTCTransformer,
    DAGTransformer,
    FertilitySizes,
    LengthSizes,
    ParallelSizes,
)
from anyorder.models.parallel.semantic_guided import GuidedBertSizes, GuidedSizes, SemanticGuided
from anyorder.nets.layers import Width

Net = (
    Seq2Seq
    | LengthTransformer
    | FertilityTransformer
    | CTCTransformer
    | DAGTransformer
    | MarkovTransformer
    | LevenshteinTransformer
    | MaskedLM
    | SemanticGuided
    | AnySubsetTransformer
)
Sizes = (
    Seq2SeqSizes
    | LengthSizes
    | FertilitySizes
    | ParallelSizes
    | MarkovSizes
    | LevenshteinSizes
    | MaskedLMSizes
    | GuidedSizes
    | GuidedBertSizes
    | AnySubsetSizes
)


@dataclass(frozen=True)
class Kind:
    """A kind of network, and the decoders that suit it, the quickest first."""

    net: type[Net]
    sizes: type[Sizes]
    decoders: tuple[str, ...]


_SERIAL = ("left-to-right", "beam:width=4")  # of whatever writes left to right
KINDS: Mapping[str, Kind] = {
    "seq2seq": Kind(Seq2Seq, Seq2SeqSizes, _SERIAL),
    "headed": Kind(HeadedSeq2Seq, HeadedSizes, ("blockwise", *_SERIAL)),
    "token-order": Kind(TokenOrderSeq2Seq, Seq2SeqSizes, _SERIAL),
    "skipping": Kind(SkippingSeq2Seq, SkippingSizes, _SERIAL),
    "transfer": Kind(TransferSeq2Seq, TransferSizes, ("head-tree", "blockwise", *_SERIAL)),
    "leaping": Kind(LeapSeq2Seq, LeapSizes, ("looking-backward", *_SERIAL)),
    "recursive": Kind(RecursiveSeq2Seq, RecursiveSizes, ("recursive-head", *_SERIAL)),
    "semi-autoregressive": Kind(
        SemiAutoregressiveSeq2Seq, SemiAutoregressiveSizes, ("space", *_SERIAL)
    ),
    "set-block": Kind(SetBlockSeq2Seq, SetBlockSizes, ("set-block", *_SERIAL)),
    "tandem": Kind(TandemSeq2Seq, TandemSizes, ("tandem-draft", "tandem", *_SERIAL)),
    "tandem-alone": Kind(AloneSeq2Seq, TandemSizes, _SERIAL),
    "parallel": Kind(
        LengthTransformer,
        LengthSizes,
        ("parallel", "parallel:candidates=5", "mask-predict:candidates=5"),
    ),
    "fertility": Kind(
        FertilityTransformer,
        FertilitySizes,
        ("fertility-argmax", "fertility-average", "noisy-parallel:samples=10"),
    ),
    "ctc": Kind(CTCTransformer, ParallelSizes, ("ctc-greedy", "ctc-beam")),
    "dag": Kind(
        DAGTransformer, ParallelSizes, ("dag-lookahead", "dag-greedy", "dag-viterbi", "dag-beam")
    ),
    "markov": Kind(
        MarkovTransformer, MarkovSizes, ("cascade:order=0", "cascade:order=1", "cascade:order=2")
    ),
    "levenshtein": Kind(LevenshteinTransformer, LevenshteinSizes, ("levenshtein",)),
    "semantic-guided": Kind(SemanticGuided, GuidedSizes, ("ctc-greedy", "align-denoise")),
    "semantic-guided-bert": Kind(SemanticGuided, GuidedBertSizes, ("ctc-greedy", "align-denoise")),
    "masked-lm": Kind(MaskedLM, MaskedLMSizes, ("parallel",)),  # its `read` says why none does
    "any-subset": Kind(AnySubsetTransformer, AnySubsetSizes, ("any-subset", "any-subset:width=1")),
}


def kind_of(net: Net) -> str:
    """Its name in `KINDS`."""
    classes = (type(net), type(net.sizes))
    return next(name for name, kind in KINDS.items() if (kind.net, kind.sizes) == classes)


def built(kind: str, sizes: Mapping[str, Any]) -> Net:
    """A network with random weights. Raises ValueError for a kind that does not exist."""
    if kind not in KINDS:
        raise ValueError(f"there is no kind of network {kind!r}; there is {', '.join(KINDS)}")
    width = Width(**sizes["width"])
    return KINDS[kind].net(KINDS[kind].sizes(**{**sizes, "width": width}))  # type: ignore[arg-type]
