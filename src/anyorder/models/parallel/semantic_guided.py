"""A masked language model made a generator: it is asked three times, each time with other prompts.

    net = SemanticGuided(GuidedSizes(source_vocab=40, target_vocab=40))
    net.adopt(lm)                                 # a `MaskedLM`, whose weights stay as they are
    net = SemanticGuided(GuidedBertSizes.around(lm.sizes, prompt=32, spread=2))    # or a `Bert`
    lm = net.read([[4, 5, 6], [7]])
    lm.ctc(), lm.denoised(draft_BM)               # align; then denoise, as often as one likes

It reads the source; it writes all cells of a blank sentence, which spell a target with blanks and
repeats; it writes them again over their draft. Every layer sees, beside the cells, its prompt (keys
and values that are learnt), and, when it writes, the state that the source had after this layer, by
a projection that all layers share. Prompts, projection and the blank are all that is new.
Source: Wu et al. 2023 (arXiv:2305.13140), and in detail the authors' code, XLMR4MT. Where layers
norm what they read rather than what they write (those of `MaskedLM`), the states of the source get
a norm of their own; prompts have no scale of their own; the blank, there a token of the language
model, is a new row of the head, and as an input it is a hole; a row has `spread` cells for each
token of its own source, not of the longest one. What a tokenizer puts around a text stands around a
source; the cells are the target's alone, the first one in the place of a text's first token.
Shapes: B rows, S source cells, M cells, N cells of either, P cells of a prompt, E of what is seen
beside them, L layers, C channels, H heads, D head width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.align.lattice import CTCLattice
from anyorder.models.bert import Bert, BertSizes
from anyorder.models.masked_lm import MaskedLM, MaskedLMSizes
from anyorder.models.sources import OfSources, padded
from anyorder.nets.layers import Attention, KeysValues, Width, sees_of
from anyorder.units.special import BLANK


@dataclass(frozen=True, kw_only=True)
class GuidedSizes:
    """Sizes of the network; `prompt`: cells of each prompt; `spread`: cells for each source token;
    `blank`: see CTC. Raises ValueError for fewer than one, and as `MaskedLMSizes` does.
    """

    source_vocab: int
    target_vocab: int
    blank: int = BLANK
    encoder_layers: int = 6
    prompt: int = 32
    spread: int = 2
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if min(self.prompt, self.spread) < 1:
            raise ValueError(f"a prompt has a cell or more, and so has a source token: {self}")
        _ = self.lm

    @property
    def lm(self) -> MaskedLMSizes:
        """Of the language model."""
        return MaskedLMSizes(
            source_vocab=self.source_vocab,
            target_vocab=self.target_vocab,
            encoder_layers=self.encoder_layers,
            width=self.width,
            max_length=self.max_length,
        )


@dataclass(frozen=True, kw_only=True)
class GuidedBertSizes(BertSizes):
    """Sizes of the network around a `Bert`; the blank is written as the token of its holes is read.

    `prompt` and `spread`: see `GuidedSizes`. Raises ValueError for fewer than one, and for more
    cells for a token than there are places.
    """

    prompt: int = 32
    spread: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.prompt, self.spread) < 1 or self.spread > self.places:
            raise ValueError(
                "a prompt has a cell or more, and so has a source token, and it has no more cells "
                f"than places: {self}"
            )

    @classmethod
    def around(cls, lm: BertSizes, *, prompt: int, spread: int) -> "GuidedBertSizes":
        """Those of the language model, and these."""
        return cls(
            **{each.name: getattr(lm, each.name) for each in fields(BertSizes)},
            prompt=prompt,
            spread=spread,
        )

    @property
    def lm(self) -> BertSizes:
        """Of the language model."""
        return BertSizes(**{each.name: getattr(self, each.name) for each in fields(BertSizes)})

    @property
    def blank(self) -> int:
        """See CTC."""
        return self.hole

    @property
    def source_vocab(self) -> int:
        """There is one vocabulary."""
        return self.vocab

    @property
    def target_vocab(self) -> int:
        """There is one vocabulary."""
        return self.vocab

    @property
    def max_length(self) -> int:
        """The longest source whose cells all have a place."""
        return self.places // self.spread


@dataclass(frozen=True)
class Beside:
    """Keys and values that the layers see beside their own cells, and which are no padding."""

    each: tuple[KeysValues, ...]
    sees_B1E: Bool[Tensor, "B 1 E"]

    def and_also(self, other: "Beside") -> "Beside":
        """Both."""
        each = tuple(map(_joined, self.each, other.each))
        return Beside(each, torch.cat([self.sees_B1E, other.sees_B1E], -1))


@dataclass(frozen=True)
class Guide:
    """What the source says to every layer, and how many cells are to be written."""

    beside: Beside
    count_B: Int[Tensor, " B"]


class Prompt(nn.Module):
    """Cells that every layer sees, for all rows the same."""

    def __init__(self, width: Width, *, layers: int, cells: int) -> None:
        super().__init__()
        shape = (layers, 2, width.heads, cells, width.channels // width.heads)
        self.keys_values = nn.Parameter(torch.randn(shape) * width.channels**-0.5)

    def beside(self, rows: int) -> Beside:
        """The prompt before `rows` rows."""
        shape = (rows, *self.keys_values.shape[2:])
        each = tuple((k.expand(shape), v.expand(shape)) for k, v in self.keys_values)
        device = self.keys_values.device
        return Beside(each, torch.ones(rows, 1, shape[2], dtype=torch.bool, device=device))


class SemanticGuided(nn.Module):
    """The language model, a prompt for each of its three tasks, and the guide."""

    def __init__(self, sizes: GuidedSizes | GuidedBertSizes) -> None:
        super().__init__()
        self.sizes = sizes
        C = sizes.width.channels
        norms_first = isinstance(sizes, GuidedSizes)
        self.lm = MaskedLM(sizes.lm) if norms_first else Bert(sizes.lm)
        self.reader, self.aligner, self.denoiser = (
            Prompt(sizes.width, layers=sizes.encoder_layers, cells=sizes.prompt) for _ in range(3)
        )
        self.guide_norm = nn.LayerNorm(C) if norms_first else nn.Identity()
        self.guide = nn.Linear(C, 2 * C)
        self.blank = nn.Parameter(torch.randn(C) * C**-0.5)

    def adopt(self, lm: MaskedLM | Bert) -> None:
        """Take its weights. They stay as they are: what is new alone is trained from now on.

        Raises ValueError for other sizes, or another kind.
        """
        if lm.sizes != self.sizes.lm:
            raise ValueError(f"the masked language model has {lm.sizes}, not {self.sizes.lm}")
        self.lm.load_state_dict(lm.state_dict())
        self.lm.requires_grad_(False)

    def begin(self, source_BS: Int[Tensor, "B S"], source_B: Int[Tensor, " B"]) -> Guide:
        """Read the source."""
        B, S = source_BS.shape
        states = self._climbed(self.lm.words(source_BS), source_B, self.reader.beside(B))
        each = tuple(self._said(state_BSC) for state_BSC in states)
        return Guide(Beside(each, sees_of(source_B, S)), source_B * self.sizes.spread)

    def lattice(self, guide: Guide) -> CTCLattice:
        """Align: what each cell of a blank sentence may hold."""
        B, M = len(guide.count_B), int(guide.count_B.max())
        return self._written(self.lm.hole.expand(B, M, -1), guide, self.aligner)

    def denoised(self, guide: Guide, draft_BM: Int[Tensor, "B M"]) -> CTCLattice:
        """Denoise: what each cell may hold that held the draft; one with a blank held nothing."""
        empty_BM1 = (draft_BM == self.sizes.blank)[..., None]
        x_BMC = torch.where(empty_BM1, self.lm.hole, self.lm.words.vectors(draft_BM))
        return self._written(x_BMC, guide, self.denoiser)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceGuided":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceGuided(self, *padded(sources))

    def _written(self, x_BMC: Tensor, guide: Guide, prompt: Prompt) -> CTCLattice:
        beside = guide.beside.and_also(prompt.beside(len(x_BMC)))
        states = self._climbed(self.lm.words.placed(x_BMC), guide.count_B, beside)
        logp_BMV = self._logps(self.lm.features(states[-1]))
        return CTCLattice(logp_BMV, guide.count_B, self.sizes.blank)

    def _climbed(self, x_BNC: Tensor, count_B: Tensor, beside: Beside) -> list[Tensor]:
        """The cells after each layer."""
        sees_B1N = sees_of(count_B, x_BNC.shape[1])
        sees_B1E = torch.cat([beside.sees_B1E, sees_B1N], -1)
        after: list[Tensor] = []
        for layer, more in zip(self.lm.encoder.each, beside.each, strict=True):
            x_BNC = layer(x_BNC, _seeing(layer.own, more, sees_B1E), None)
            after.append(x_BNC)
        return after

    def _said(self, state_BSC: Tensor) -> KeysValues:
        """A layer's state of the source, as keys and values of the same layer."""
        both = self.guide(self.guide_norm(state_BSC))
        keys_BHSD, values_BHSD = (
            part_BSC.unflatten(-1, (self.sizes.width.heads, -1)).transpose(1, 2)
            for part_BSC in both.chunk(2, -1)
        )
        return keys_BHSD, values_BHSD

    def _logps(self, features_BMC: Tensor) -> Float[Tensor, "B M V"]:
        """By the language model's head, whose row of the blank is new."""
        logits_BMV = self.lm.logits(features_BMC)
        at = torch.tensor([self.sizes.blank], device=logits_BMV.device)
        # in place: with 250,000 tokens a copy is as large as all else
        logits_BMV.index_copy_(-1, at, F.linear(features_BMC, self.blank[None]))
        double = logits_BMV.dtype == torch.float64
        return (logits_BMV if double else logits_BMV.float()).log_softmax(-1)


class SourceGuided(OfSources[SemanticGuided]):
    """Satisfies `CTCDenoiser`, one row for each source."""

    @cached_property
    def guide(self) -> Guide:
        """The source is read once."""
        return self.net.begin(self.source_BS, self.source_B)

    def ctc(self) -> CTCLattice:
        """One call: all cells of all rows."""
        return self.net.lattice(self.guide)

    def denoised(self, draft_BM: Int[Tensor, "B M"]) -> CTCLattice:
        """One call: all cells again, after this draft."""
        return self.net.denoised(self.guide, draft_BM)


def _joined(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The keys and values of `one`, then of `other`, in the precision of `other`."""
    keys, values = (torch.cat([a.to(b.dtype), b], 2) for a, b in zip(one, other, strict=True))
    return keys, values


def _seeing(
    own: Attention, more: KeysValues, sees: Tensor
) -> Callable[[Tensor], tuple[KeysValues, Tensor]]:
    """How a layer finds what it sees: first `more`, then its own cells."""
    return lambda x_BNC: (_joined(more, own.keys_values(x_BNC)), sees)
