"""Small things to train on."""

from typing import Any

import torch

from anyorder.models.any_subset import AnySubsetSizes, AnySubsetTransformer
from anyorder.models.bert import BertSizes
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
from anyorder.objectives.batch import Batch, MayFreeze
from anyorder.train.batches import Rows
from anyorder.train.paradigms import paradigms

WIDTH = Width(channels=16, heads=2, middle=32, dropout=0.1)
_FRAMED: dict[str, Any] = {
    "source_vocab": 10,
    "target_vocab": 10,
    "bos": 1,
    "eos": 2,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "width": WIDTH,
}


def rows(count: int = 40, *, seed: int = 0) -> Rows:
    """Targets that are their sources, each token one higher; so each source token becomes one."""
    rng = torch.Generator().manual_seed(seed)
    sources = [
        torch.randint(4, 9, (int(n),), generator=rng).tolist()
        for n in torch.randint(2, 6, (count,), generator=rng)
    ]
    return Rows(
        tuple(sources),
        tuple([token + 1 for token in row] for row in sources),
        tuple([1] * len(row) for row in sources),
        tuple([*range(len(row))] for row in sources),
    )


def batch(longest: int = 5) -> Batch:
    """Two ragged pairs, with tokens from 4 to 8; the first target has `longest`, 5 at most."""
    target_BN = torch.tensor([[4, 5, 6, 8, 5], [7, 8, 0, 0, 0]])[:, :longest]
    return Batch(
        torch.tensor([[4, 5, 6], [7, 4, 0]]),
        torch.tensor([3, 2]),
        target_BN,
        torch.tensor([target_BN.shape[1], 2]),
    )


def seq2seq(decoder_layers: int = 1) -> Seq2Seq:
    torch.manual_seed(1)
    return Seq2Seq(Seq2SeqSizes(**{**_FRAMED, "decoder_layers": decoder_layers}))


def headed() -> HeadedSeq2Seq:
    torch.manual_seed(1)
    return HeadedSeq2Seq(HeadedSizes(**_FRAMED, heads=2))


def token_order() -> TokenOrderSeq2Seq:
    torch.manual_seed(1)
    return TokenOrderSeq2Seq(Seq2SeqSizes(**_FRAMED))


def skipping() -> SkippingSeq2Seq:
    torch.manual_seed(1)
    sizes = {**_FRAMED, "decoder_layers": 3, "most": 3, "least": 1, "until": 4}
    return SkippingSeq2Seq(SkippingSizes(**sizes))


def transfer() -> TransferSeq2Seq:
    """Its decoder knows nothing yet, and never will: it is the maps that learn."""
    torch.manual_seed(1)
    sizes = {**_FRAMED, "decoder_layers": 2}
    return TransferSeq2Seq(TransferSizes(**sizes, transfers=2, passes=2, apart=1))


def tandem(kind: type[TandemSeq2Seq] = TandemSeq2Seq) -> TandemSeq2Seq:
    """The large model knows nothing yet, and never will."""
    torch.manual_seed(1)
    return kind(TandemSizes(**_FRAMED))


def tandem_alone() -> TandemSeq2Seq:
    return tandem(AloneSeq2Seq)


def leaping() -> LeapSeq2Seq:
    torch.manual_seed(1)
    return LeapSeq2Seq(LeapSizes(**_FRAMED, heads=2, stride=2))


def recursive() -> RecursiveSeq2Seq:
    torch.manual_seed(1)
    return RecursiveSeq2Seq(RecursiveSizes(**_FRAMED, frequent=6))


def frozen(paradigm: str) -> bool:
    """Whether it trains parts alone, on a model that must be there."""
    objective = paradigms()[paradigm].objective
    return isinstance(objective, MayFreeze) and objective.frozen


def semi_autoregressive() -> SemiAutoregressiveSeq2Seq:
    torch.manual_seed(1)
    return SemiAutoregressiveSeq2Seq(SemiAutoregressiveSizes(**_FRAMED, mask=3))


def set_block(longest: int = 4) -> SetBlockSeq2Seq:
    torch.manual_seed(1)
    return SetBlockSeq2Seq(SetBlockSizes(**_FRAMED, mask=3, longest_block=longest))


def length_based(window: int | None = None, decoder_layers: int = 1) -> LengthTransformer:
    torch.manual_seed(1)
    return LengthTransformer(
        LengthSizes(
            source_vocab=10,
            target_vocab=10,
            bos=1,
            longest=12,
            window=window,
            encoder_layers=1,
            decoder_layers=decoder_layers,
            width=WIDTH,
        )
    )


def markov(order: int = 2) -> MarkovTransformer:
    torch.manual_seed(1)
    return MarkovTransformer(
        MarkovSizes(
            source_vocab=10,
            target_vocab=10,
            bos=1,
            eos=2,
            order=order,
            longest=12,
            encoder_layers=1,
            decoder_layers=1,
            width=WIDTH,
        )
    )


def levenshtein(most: int = 12) -> LevenshteinTransformer:
    torch.manual_seed(1)
    return LevenshteinTransformer(
        LevenshteinSizes(
            source_vocab=10,
            target_vocab=10,
            bos=1,
            eos=2,
            most=most,
            encoder_layers=1,
            decoder_layers=1,
            width=WIDTH,
        )
    )


def guided(width: Width = WIDTH) -> SemanticGuided:
    torch.manual_seed(1)
    return SemanticGuided(
        GuidedSizes(
            source_vocab=10, target_vocab=10, encoder_layers=1, prompt=3, spread=2, width=width
        )
    )


def guided_bert() -> SemanticGuided:
    """Around a language model of BERT's shape."""
    torch.manual_seed(1)
    sizes = BertSizes(vocab=10, hole=3, encoder_layers=1, places=40, width=WIDTH)
    return SemanticGuided(GuidedBertSizes.around(sizes, prompt=3, spread=2))


def masked_lm() -> MaskedLM:
    torch.manual_seed(1)
    return MaskedLM(MaskedLMSizes(source_vocab=10, target_vocab=10, encoder_layers=1, width=WIDTH))


def any_subset(vocab: int = 10, *, layers: int = 1) -> AnySubsetTransformer:
    torch.manual_seed(1)
    sizes = AnySubsetSizes(
        source_vocab=10, target_vocab=vocab, bos=1, eos=2, encoder_layers=layers, width=WIDTH
    )
    return AnySubsetTransformer(sizes)


def fertile(most: int = 4) -> FertilityTransformer:
    torch.manual_seed(1)
    return FertilityTransformer(
        FertilitySizes(
            source_vocab=10,
            target_vocab=10,
            most=most,
            encoder_layers=1,
            decoder_layers=1,
            width=WIDTH,
        )
    )


def parallel(
    kind: type[CTCTransformer] | type[DAGTransformer], window: int | None = None
) -> CTCTransformer | DAGTransformer:
    torch.manual_seed(1)
    return kind(
        ParallelSizes(
            source_vocab=10,
            target_vocab=10,
            blank=3,
            spread=2,
            window=window,
            encoder_layers=1,
            decoder_layers=1,
            width=WIDTH,
        )
    )


def one_of_each() -> list[str]:
    """Paradigms of different networks or losses: the sizes of others alone differ from these."""
    found = {(of.kind, type(of.objective)): name for name, of in reversed(paradigms().items())}
    return list(reversed(found.values()))
