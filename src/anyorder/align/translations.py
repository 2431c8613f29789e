"""What each source token becomes, as a table: the likeliest translations and their probabilities.

    table = Translations.of(model.lexicon, sources=4000, most=16, temperature=2.0)
    table.token_SK[7], table.prob_SK[7]           # of source token 7

Shapes: S source tokens, K translations of one.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.words import Lexicon


@dataclass(frozen=True, eq=False)
class Translations:
    """Probabilities of a source token sum to 1, or are all 0 for one that was never seen. Where
    there are fewer than K translations the rest has a probability of 0.
    """

    token_SK: Int[Tensor, "S K"] = field(repr=False)
    prob_SK: Float[Tensor, "S K"] = field(repr=False)

    @staticmethod
    def of(lexicon: Lexicon, *, sources: int, most: int, temperature: float) -> "Translations":
        """The `most` likeliest targets of the source tokens 0 to `sources` - 1:

            q(t | s) = p(t | s) ** (1 / temperature) / sum over these t of the same

        Raises ValueError for less than 1 translation and a temperature that is not above 0.

        >>> import numpy as np
        >>> from anyorder.align.words import Aligner
        >>> lexicon = Aligner(null=0.0).fit([[0, 1]] * 2 + [[0]], [[5, 6]] * 2 + [[5]]).lexicon
        >>> table = Translations.of(lexicon, sources=3, most=2, temperature=1.0)
        >>> table.token_SK[:, 0].tolist(), table.prob_SK.sum(1).round().tolist()
        ([5, 6, 0], [1.0, 1.0, 0.0])
        """
        if most < 1 or not temperature > 0:
            raise ValueError(f"{most} translations at a temperature of {temperature} are none")
        token_SK = torch.zeros(sources, most, dtype=torch.long)
        prob_SK = torch.zeros(sources, most)
        for source in range(sources):
            target_X, prob_X = lexicon.given(source)
            kept = int((prob_X[:most] > 0).sum())
            token_SK[source, :kept] = torch.from_numpy(target_X[:kept])
            prob_SK[source, :kept] = torch.from_numpy(prob_X[:kept] ** (1 / temperature))
        return Translations(token_SK, prob_SK / prob_SK.sum(1, keepdim=True).clamp_min(1e-30))
