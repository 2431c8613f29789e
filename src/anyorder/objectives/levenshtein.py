"""Two policies that learn from what the other leaves: one deletes, one inserts.

    loss = DualPolicy()(model, batch, progress=0.0, rng=rng)

    a state            the target without some tokens; or, in a share `own` of the rows, what the
                       model's deletion leaves of such a target that the model has filled up
    insertion, fill    of the state: as many cells at each place, and in them the tokens, as the
                       shortest edits from the state to the target insert
    deletion           of the state that is filled up, with tokens drawn from the model: those that
                       the shortest edits from there to the target delete

Each of the three is a mean of cross entropies over its cells, and they are added.
Source: Gu et al. 2019 (arXiv:1905.11006), section 4; of n tokens 1 to n are dropped, with equal
odds, as in the authors' code (fairseq, `translation_lev`). There the deletion that an insertion may
follow is the expert's, of the text that all begins with, which is empty in translation; here it is
the model's own, of its own text, as when it decodes. Deletion never learns from the text that all
begins with, as in that code.
Shapes: B rows, S source cells, N target cells, K cells of a text with the one that begins it,
X cells of all rows, R rows with a state of their own.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from anyorder.align.edits import Edit, Script, script
from anyorder.align.origins import without
from anyorder.models.parallel.levenshtein import LevenshteinTransformer, Texts, rows_of
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing
from anyorder.objectives.length_based import shown_by_chance


@dataclass(frozen=True)
class DualPolicy:
    """`own`: see above; none, as in the authors' code, was best on a small task. `smoothing` of the
    tokens' labels, `number_smoothing` of the numbers of inserted cells.
    """

    own: float = 0.0
    smoothing: float = 0.1
    number_smoothing: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.own <= 1:
            raise ValueError(f"a share of the rows is from 0 to 1, not {self.own}")
        check_smoothing(self.smoothing)
        check_smoothing(self.number_smoothing)

    @property
    def plain(self) -> "DualPolicy":
        """Without smoothing, and with targets that lack tokens by chance alone."""
        return DualPolicy(own=0.0, smoothing=0.0, number_smoothing=0.0)

    def __call__(
        self, model: LevenshteinTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        step = _Step(model, batch, rng)
        state = step.state(self.own)
        edits = step.edits(state)
        number_BN = edits.inserted(state.tokens_BN.shape[1] - 1).clamp_max(model.sizes.most)
        logp_BNI, cells_BN = model.insertion_logps(step.features(state)), _cells(state)
        insertion = _mean(logp_BNI[cells_BN], number_BN[cells_BN], self.number_smoothing)
        opened, wanted_BN = step.opened(state, edits)
        logp_XV = model.fill_logps(step.features(opened)[:, :-1][opened.open_BN])
        fill = _mean(logp_XV, wanted_BN[opened.open_BN], self.smoothing)
        filled = step.filled(opened, logp_XV)
        away_BN = F.pad(step.edits(filled).deleted(filled.tokens_BN.shape[1] - 1), (1, 0))
        logp_BN2, cells_BN = model.deletion_logps(step.features(filled)), _cells(filled)
        cells_BN[:, 0] = False  # what begins a text is never deleted
        deletion = _mean(logp_BN2[cells_BN], away_BN[cells_BN].long(), 0.0)
        units = int(batch.target_B.sum())
        return Loss(units * (insertion + fill + deletion), units)


class _Step:
    """A batch that the model has read, and the texts between which it learns to go."""

    def __init__(self, model: LevenshteinTransformer, batch: Batch, rng: Generator) -> None:
        self.model, self.batch, self.rng = model, batch, rng
        self.memory = model.encode(batch.source_BS, batch.source_B)

    def features(self, texts: Texts) -> Float[Tensor, "B T C"]:
        return self.model.features(texts, self.memory)

    def edits(self, texts: Texts) -> Script:
        """The shortest edits from texts to the targets, without the cell that begins them."""
        count_B, batch = texts.count_B - 1, self.batch
        tokens_BN = texts.tokens_BN[:, 1:]
        return script(tokens_BN, count_B, batch.target_BN, batch.target_B, substitutes=False)

    def state(self, own: float) -> Texts:
        """What the deletion leaves: of the target by chance, or of the model's text the model."""
        target_BN, target_B = self.batch.target_BN, self.batch.target_B
        real_BN = torch.arange(target_BN.shape[1]) < target_B[:, None]
        holes_BN = real_BN & ~shown_by_chance(real_BN, self.rng)
        dropped = self._begun(_left(target_BN, holes_BN, target_B))
        rows_R = (torch.rand(len(target_B), generator=self.rng) < own).nonzero()[:, 0]
        if not len(rows_R):
            return dropped
        whole = self._begun((target_BN[rows_R], target_B[rows_R]))
        kept = self._own(replace(whole, open_BN=F.pad(holes_BN[rows_R], (1, 0))), rows_R)
        width = max(kept.tokens_BN.shape[1], dropped.tokens_BN.shape[1])
        tokens_BN, kept_RN = (
            F.pad(side.tokens_BN, (0, width - side.tokens_BN.shape[1])) for side in (dropped, kept)
        )
        tokens_BN = tokens_BN.index_copy(0, rows_R, kept_RN)
        count_B = dropped.count_B.index_copy(0, rows_R, kept.count_B)
        return Texts(tokens_BN, torch.zeros_like(tokens_BN, dtype=torch.bool), count_B)

    @torch.no_grad()
    def _own(self, opened: Texts, rows_R: Int[Tensor, " R"]) -> Texts:
        """What the model's deletion leaves, where the model has filled the open cells."""
        model, memory = self.model, rows_of(self.memory, rows_R)
        features_RTC = model.features(opened, memory)
        filled = self.filled(opened, model.fill_logps(features_RTC[:, :-1][opened.open_BN]))
        away_RN = model.deletion_logps(model.features(filled, memory)).argmax(-1) == 1
        away_RN[:, 0] = False
        tokens_RN, count_R = _left(filled.tokens_BN, away_RN, filled.count_B)
        return Texts(tokens_RN, torch.zeros_like(tokens_RN, dtype=torch.bool), count_R)

    def opened(self, state: Texts, edits: Script) -> tuple[Texts, Int[Tensor, "B K"]]:
        """A state with open cells where the edits insert; and what they insert there."""
        kept_BN = edits.edit_BS != Edit.INSERT
        own_BN, new_BN = (
            _at(tokens_BN, place_BS)
            for tokens_BN, place_BS in (
                (state.tokens_BN[:, 1:], edits.source_BS),
                (self.batch.target_BN, edits.target_BS),
            )
        )
        texts = self._begun((own_BN.where(kept_BN, 0), edits.count_B))
        return replace(texts, open_BN=F.pad(~kept_BN, (1, 0))), F.pad(new_BN, (1, 0))

    @torch.no_grad()
    def filled(self, opened: Texts, logp_XV: Float[Tensor, "X V"]) -> Texts:
        """The texts with a token in every open cell, drawn from the model's distribution."""
        tokens_BN = opened.tokens_BN.clone()
        if len(logp_XV):
            drawn_X1 = torch.multinomial(logp_XV.double().exp(), 1, generator=self.rng)
            tokens_BN[opened.open_BN] = drawn_X1[:, 0]
        return replace(opened, tokens_BN=tokens_BN, open_BN=torch.zeros_like(opened.open_BN))

    def _begun(self, text: tuple[Int[Tensor, "B N"], Int[Tensor, " B"]]) -> Texts:
        """Texts, none of whose cells is open, after the token that begins them."""
        tokens_BN = F.pad(text[0], (1, 0), value=self.model.sizes.bos)
        return Texts(tokens_BN, torch.zeros_like(tokens_BN, dtype=torch.bool), text[1] + 1)


def _left(
    tokens_BN: Tensor, deleted_BN: Tensor, count_B: Tensor
) -> tuple[Int[Tensor, "B K"], Int[Tensor, " B"]]:
    """What a deletion leaves."""
    origins = without(deleted_BN, count_B)
    return origins.taken(tokens_BN, new=0), origins.count_B


def _at(tokens_BN: Tensor, place_BS: Tensor) -> Int[Tensor, "B S"]:
    """The tokens at these places; anything where there is none."""
    if not tokens_BN.shape[1]:
        return torch.zeros_like(place_BS)
    return tokens_BN.gather(1, place_BS.clamp(0, tokens_BN.shape[1] - 1))


def _cells(texts: Texts) -> Bool[Tensor, "B N"]:
    """Which cells are no padding."""
    return torch.arange(texts.tokens_BN.shape[1]) < texts.count_B[:, None]


def _mean(
    logp_XV: Float[Tensor, "X V"], label_X: Int[Tensor, " X"], smoothing: float
) -> Float[Tensor, ""]:
    """The mean cross entropy; 0 where nothing is asked."""
    total = F.cross_entropy(logp_XV, label_X, label_smoothing=smoothing, reduction="sum")
    return total / max(1, len(label_X))
