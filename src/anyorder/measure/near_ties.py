"""Near-ties: cells of a text where rounding may decide between the two likeliest tokens.

sum(gap < NEAR_TIE for gap in gaps(lm, out))     # of a left-to-right run
"""

from itertools import pairwise
from typing import Final

import torch

from anyorder.decode.writing import Output
from anyorder.models.language_model import LanguageModel
from anyorder.trace import fold

NEAR_TIE: Final = 0.05  # difference of the two largest logits: odds of 51 to 49
SLICE: Final = 64  # cells whose logits are looked at together: they are as wide as the vocabulary


def gaps(lm: LanguageModel, out: Output) -> list[float]:
    """Differences between the two largest logits at each written cell, slice by slice."""
    end = fold(out.trace)
    tokens_1N = torch.tensor([end.row(0)])
    written, last = int(out.trace.start.frontier_B[0]), tokens_1N.shape[1] - 1
    edges = [0, *range(written, last, SLICE), last]  # first the prompt, of which one cell is scored
    found: list[float] = []
    with torch.inference_mode():
        cache = lm.model.new_cache(1, last)
        for begin, stop in pairwise(edges):
            T = stop - begin
            score_1S = torch.arange(max(written - 1 - begin, 0), T)[None]
            logits_1SV = lm.model.extend(tokens_1N[:, begin:stop], cache, score_BS=score_1S)
            cache.keep(torch.arange(T)[None], torch.tensor([T]))
            best_S2 = logits_1SV[0].topk(2, -1).values
            found += (best_S2[:, 0] - best_S2[:, 1]).tolist()
    return found
