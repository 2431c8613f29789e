"""Attention that looks twice: at all it may see, and at what lies around the best of it.

    look = AroundPeak(head_width=32, window=2)
    found_BHTD = look(query_BHTD, keys_BHSD, values_BHSD, sees)

    a = g softmax(q k / sqrt(D)) + (1 - g) softmax(the same, in the window)
    g = sigmoid(w q + b)

The window has `window` keys on each side of the one with the highest score, which each query and
each head has for itself. The gate g has the same weights for all heads.
Source: Ding et al. 2020 (arXiv:2011.00770), section 3, and the authors' code.
Shapes: B rows, H heads, T queries, S keys, D head width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AroundPeak(nn.Module):
    """Mixes global and local attention by a learnt gate."""

    def __init__(self, head_width: int, window: int) -> None:
        super().__init__()
        if window < 0:
            raise ValueError(f"a window has 0 keys or more on each side, not {window}")
        self.window = window
        self.gate = nn.Linear(head_width, 1)

    def forward(
        self,
        query_BHTD: Float[Tensor, "B H T D"],
        keys_BHSD: Float[Tensor, "B H S D"],
        values_BHSD: Float[Tensor, "B H S D"],
        sees: Bool[Tensor, "#B 1 #T S"] | None,
    ) -> Float[Tensor, "B H T D"]:
        """What each query finds."""
        return self.weights(query_BHTD, keys_BHSD, sees).to(values_BHSD.dtype) @ values_BHSD

    def weights(
        self,
        query_BHTD: Float[Tensor, "B H T D"],
        keys_BHSD: Float[Tensor, "B H S D"],
        sees: Bool[Tensor, "#B 1 #T S"] | None,
    ) -> Float[Tensor, "B H T S"]:
        """How much of each key a query takes; they sum to 1."""
        score_BHTS = scores_of(query_BHTD, keys_BHSD, sees)
        peak_BHT1 = score_BHTS.argmax(-1, keepdim=True)  # one that is seen, so the window has it
        place_S = torch.arange(score_BHTS.shape[-1], device=score_BHTS.device)
        far_BHTS = (place_S - peak_BHT1).abs() > self.window
        near_BHTS = score_BHTS.masked_fill(far_BHTS, -torch.inf).softmax(-1)
        share_BHT1 = self.gate(query_BHTD).sigmoid()
        return share_BHT1 * score_BHTS.softmax(-1) + (1 - share_BHT1) * near_BHTS


def scores_of(
    query_BHTD: Float[Tensor, "B H T D"],
    keys_BHSD: Float[Tensor, "B H S D"],
    sees: Bool[Tensor, "#B 1 #T S"] | None,
) -> Float[Tensor, "B H T S"]:
    """q k / sqrt(D), and -inf where a query does not see a key."""
    score_BHTS = query_BHTD @ keys_BHSD.transpose(-1, -2) / query_BHTD.shape[-1] ** 0.5
    return score_BHTS if sees is None else score_BHTS.masked_fill(~sees, -torch.inf)
