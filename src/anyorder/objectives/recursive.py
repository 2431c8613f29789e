"""Cross entropy of what one head guesses, step after step, each time after its own features.

    Recursive()                                   # three steps, as many as are drafted
    Recursive(steps=1)                            # the next guess alone, as in pre-training

    sum over k = 1 ... K of  a_k sum over cells of  -log p_k(y_(n + k)),   a_k ~ beta^(k - 1)

The model is frozen; the head alone learns. Step k reads the true token n + k, and sees what it will
see when it drafts: its own chain, and before that the cells that the model has read.
Source: Cai et al. 2025 (arXiv:2509.18362), equation 2 for the weights, which sum to 1.
Shapes: B rows, N target cells (one more than a target has tokens), E keys, S source cells, V
vocabulary, C channels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from anyorder.models.recursive import RecursiveSeq2Seq
from anyorder.nets.layers import KeysValues
from anyorder.objectives.ahead import refuse
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import shifted


@dataclass(frozen=True)
class Recursive:
    """`steps`: how often the head goes on; `decay`: the weight of a step, of the one before."""

    steps: int = 3
    decay: float = 0.6
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        refuse(self.smoothing)
        if self.steps < 1 or self.decay <= 0:
            raise ValueError(f"a head goes on for 1 step or more, with a decay above 0: {self}")

    @property
    def frozen(self) -> bool:
        """Whether the head alone learns: it does."""
        return True

    @property
    def plain(self) -> "Recursive":
        """Without smoothing."""
        return Recursive(steps=self.steps, decay=self.decay, smoothing=0.0)

    @property
    def weights(self) -> list[float]:
        """Of the steps.

        >>> [round(weight, 2) for weight in Recursive().weights]
        [0.51, 0.31, 0.18]
        """
        every = [self.decay**step for step in range(self.steps)]
        return [weight / sum(every) for weight in every]

    def __call__(
        self, model: RecursiveSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        known = Known.of(model, batch)
        features_BNC, keys_values = known.features_BNC, []
        table_VC, totals = model.target.table.weight.detach(), []
        _, write_BN, _ = shifted(batch, model.bos, model.eos)
        for step, weight in enumerate(self.weights):
            features_BNC = self._onward(model, known, features_BNC, step, keys_values)
            real_BN = known.real_BN(batch, step + 1)
            total = F.cross_entropy(
                F.linear(features_BNC[real_BN], table_VC).float(),
                write_BN.roll(-step - 1, 1)[real_BN],
                label_smoothing=self.smoothing,
                reduction="sum",
            )
            totals.append(weight * total)
        return Loss(torch.stack(totals).sum(), int(known.real_BN(batch, 1).sum()))

    def _onward(
        self,
        model: RecursiveSeq2Seq,
        known: "Known",
        features_BNC: Float[Tensor, "B N C"],
        step: int,
        chain: list[KeysValues],
    ) -> Float[Tensor, "B N C"]:
        """Features of one step more, at all cells; `chain` has the keys and values of all steps."""
        head = model.onward
        x_BNC = head.joined(features_BNC, known.tokens_BNC.roll(-step, 1))

        def own(normed_BNC: Tensor) -> tuple[KeysValues, Tensor]:
            chain.append(head.layer.own.keys_values(normed_BNC))
            keys, values = (torch.cat(each, 2) for each in zip(*chain, strict=True))
            return (keys, values), sees(normed_BNC.shape[1], len(chain))

        return head.above(head.layer(x_BNC, own, known.source(model)))


@dataclass(frozen=True)
class Known:
    """What the frozen model gives: its features, the vectors of the tokens behind, the source."""

    features_BNC: Float[Tensor, "B N C"]
    tokens_BNC: Float[Tensor, "B N C"]
    states_BSC: Float[Tensor, "B S C"]
    sees_B1S: Bool[Tensor, "B 1 S"]

    @staticmethod
    @torch.no_grad()
    def of(model: RecursiveSeq2Seq, batch: Batch) -> "Known":
        """Nothing is dropped out."""
        training = model.training
        model.eval()
        read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
        B, N = read_BN.shape
        memory = model.encode(batch.source_BS, batch.source_B)
        sees_1NN = torch.ones(N, N, dtype=torch.bool).tril()[None]
        features_BNC = model.decoder(model.target(read_BN), sees_1NN, memory)
        place_BN = (1 + torch.arange(N)).expand(B, N)
        tokens_BNC = model.target.placed(model.target.vectors(write_BN), place_BN, N + 1)
        model.train(training)
        return Known(features_BNC, tokens_BNC, memory.states_BSC, memory.sees_B1S)

    def source(self, model: RecursiveSeq2Seq) -> tuple[KeysValues, Tensor]:
        """What the head sees of the source."""
        cross = model.onward.layer.cross
        assert cross is not None, "the head looks at the source"
        return cross.keys_values(self.states_BSC), self.sees_B1S

    def real_BN(self, batch: Batch, far: int) -> Bool[Tensor, "B N"]:
        """The cells so far behind which a token stands, or the end."""
        N = self.features_BNC.shape[1]
        return torch.arange(N) + far <= batch.target_B[:, None]


def sees(cells: int, steps: int) -> Bool[Tensor, "1 N E"]:
    """What a cell sees in the last of so many steps: of the first, all cells up to its own; of the
    others its own.

    >>> sees(2, 2)[0].long().tolist()
    [[1, 0, 1, 0], [1, 1, 0, 1]]
    """
    own_NN = torch.eye(cells, dtype=torch.bool)
    before_NN = torch.ones(cells, cells, dtype=torch.bool).tril()
    return torch.cat([before_NN, *[own_NN] * (steps - 1)], 1)[None]
