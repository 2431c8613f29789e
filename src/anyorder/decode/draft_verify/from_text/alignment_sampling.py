"""Alignment sampling: copy from the text so far, and try what the model itself had said there.

    AlignmentSampling(size=10)
    Lenient(AlignmentSampling(), share=0.5)       # and verify by a threshold that adapts: not exact

Where the last tokens stood before, the token that followed there is a guess, and so is what the
model found likely at that place when it read it, which the pass over the prompt shows without a
further call. Of a place with m matching tokens, whose next token is y, the guess x has the odds

    s [x = y] + (1 - s) p(x),    s = m / (m + 3),    p: what the model said at that place

and the cells with the best odds of their whole path make the draft, a tree. A path that leaves the
copy goes on at the next place, as if one token matched there. To say what comes after every cell
of a prompt makes the call that reads it larger.

Of Wang et al. 2025 (arXiv:2505.13204) the abstract is known here, and what others write of the
rest: n-grams are found in the input, and for a token of them that fits the distribution of the
prefill badly up to two tokens of that are added, so that the draft is a tree; a guess is kept from
a probability on that depends on the entropy. How a misfit is told is not known, nor how tokens are
sampled, nor the formula of the threshold. That guesses are the likeliest tokens and no samples (so
the text of a seed stays what it is), the odds, the number of cells, and that the text written since
is copied from, too, are ours. The 3 was chosen on other prompts than those of the measurement.
Shapes: B rows, S scored cells, X cells, K drafted cells, R ranks.
"""

import heapq
from dataclasses import dataclass
from itertools import count
from typing import final

import torch
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_text.followers import likeliest
from anyorder.decode.draft_verify.from_text.ngrams import NGrams
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

DOUBT = 3  # of a place with as many matching tokens the copy is trusted by half
Likely = list[tuple[int, float]]  # tokens, each with its probability


@dataclass(frozen=True)
class Said:
    """What was said after each cell that a row has read, likeliest first; and the row's n-grams."""

    grams: NGrams
    rows: list[list[Likely]]

    def add(self, seen: Seen, ranks: int) -> None:
        """Of the cells that stand in the text now; a prompt may come in parts."""
        if seen.written is None:
            cells = [real_S.nonzero()[:, 0].tolist() for real_S in seen.real_BS]
        else:
            paths = zip(seen.written.path_BP.tolist(), seen.written.count_B.tolist(), strict=True)
            cells = [path[:length] for path, length in paths]
        row_X = [row for row, of_row in enumerate(cells) for _ in of_row]
        cell_X = [cell for of_row in cells for cell in of_row]
        if row_X:
            found = likely(seen.logits_BSV[row_X, cell_X], ranks)
            for row, each in zip(row_X, found, strict=True):
                self.rows[row].append(each)


@final
@dataclass(frozen=True)
class AlignmentSampling(DraftVerify):
    """Drafts a tree of `size` cells: what followed the latest earlier place that ends in the same
    n-gram, and at every place `ranks` tokens that the model found likeliest there.

    Longer n-grams are tried first, from `ngram` down to `shortest`. No match: no draft. `ranks=0`
    is prompt copy.
    """

    size: int = 10
    ranks: int = 3
    ngram: int = 3
    shortest: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.ngram or self.size < 1 or self.ranks < 0:
            raise ValueError(
                "alignment sampling needs 1 <= shortest <= ngram, a size of at least 1 and ranks "
                "of 0 or more"
            )

    @property
    def most_drafted(self) -> int:
        return self.size

    @property
    def reads_prompt(self) -> bool:
        return self.ranks > 0

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Said:
        B = len(canvas.tokens_BN)
        grams = NGrams(batch=B, longest=self.ngram, shortest=self.shortest)
        return Said(grams, [[] for _ in range(B)])

    def draft(self, memory: Said, canvas: Canvas, sampler: Sampler) -> Draft | None:
        sources, matches = memory.grams.latest(canvas)
        tokens_BK = torch.zeros(len(sources), self.size, dtype=torch.long)
        parents_BK = torch.full_like(tokens_BK, -2)
        for row, live in enumerate(canvas.live_B.tolist()):
            if live and sources[row] >= 0:
                text, said = memory.grams.texts[row], memory.rows[row]
                tokens, parents = tree(text, said, sources[row], matches[row], self.size)
                tokens_BK[row], parents_BK[row] = torch.tensor(tokens), torch.tensor(parents)
        return Draft(tokens_BK, parents_BK) if bool((parents_BK > -2).any()) else None

    def observe(self, memory: Said, seen: Seen) -> Said:
        if self.ranks:
            memory.add(seen, self.ranks)  # in place, like a cache: it is the run's own
        return memory


def tree(
    text: list[int], said: list[Likely], source: int, match: int, size: int
) -> tuple[list[int], list[int]]:
    """The `size` cells with the best odds behind a text, and their parents (-1: its last token).

    `said[n]`: what was said after cell n; nothing, if it was not read. A copy that reaches the end
    runs on in itself.

    >>> text, said = [4, 5, 6, 7, 4, 5], [[]] * 6
    >>> tree(text, said, source=2, match=2, size=3)
    ([6, 7, 4], [-1, 0, 1])
    >>> said[1] = [(8, 0.5), (6, 0.1)]       # the model would have gone on otherwise
    >>> tree(text, said, source=2, match=2, size=3)
    ([6, 8, 7], [-1, -1, 0])
    """
    period = max(len(text) - source, 1)
    number = count()  # of equal odds the first comes first
    heap: list[tuple[float, int, int, int, int, int]] = []
    tokens: list[int] = []
    parents: list[int] = []

    def offer(odds: float, parent: int, depth: int, match: int) -> None:
        place = source + depth % period
        trust = match / (match + DOUBT)
        guesses = {text[place]: trust}
        for token, probability in said[place - 1] if place <= len(said) else ():
            guesses[token] = guesses.get(token, 0.0) + (1 - trust) * probability
        for token, share in guesses.items():
            then = match + 1 if token == text[place] else 1
            heapq.heappush(heap, (-odds * share, next(number), token, parent, depth, then))

    offer(1.0, -1, 0, match)
    while len(tokens) < size:
        minus, _, token, parent, depth, then = heapq.heappop(heap)
        tokens.append(token)
        parents.append(parent)
        offer(-minus, len(tokens) - 1, depth + 1, then)
    return tokens, parents


def likely(logits_XV: Tensor, ranks: int) -> list[Likely]:
    """The `ranks` likeliest tokens of each cell, and their probabilities."""
    tokens_XR = likeliest(logits_XV, min(ranks, logits_XV.shape[1]))
    all_X1 = logits_XV.float().logsumexp(-1, keepdim=True)
    odds_XR = (logits_XV.gather(1, tokens_XR).float() - all_X1).exp()
    pairs = zip(tokens_XR.tolist(), odds_XR.tolist(), strict=True)
    return [list(zip(tokens, odds, strict=True)) for tokens, odds in pairs]
