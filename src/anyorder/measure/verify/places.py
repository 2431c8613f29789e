"""From distributions to places and chances of tokens.

Shapes: T tokens of a text, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anyorder.measure.verify.subject import Place, Token


def shares_of(logits_TV: Float[Tensor, "T V"], temperature: float) -> Float64[Tensor, "T V"]:
    """The distributions that tokens should be drawn from."""
    return (logits_TV.double() / temperature).softmax(-1).cpu()


def places_in(shares_TV: Float64[Tensor, "T V"], tokens: Sequence[Token]) -> list[Place]:
    """Where each token stands; of equally likely ones, those of lower ids come first.

    >>> places_in(torch.tensor([[0.25, 0.5, 0.25]]).double(), [2])
    [Place(above=0.75, own=0.25, top=0.5)]
    """
    found = []
    for shares_V, token in zip(shares_TV, tokens, strict=True):
        own, at = shares_V[int(token)], torch.arange(len(shares_V))
        first_V = (shares_V > own) | ((shares_V == own) & (at < int(token)))
        found.append(Place(float(shares_V[first_V].sum()), float(own), float(shares_V.max())))
    return found


class ReadsAll(ABC):
    """A reference that is told whole distributions."""

    @abstractmethod
    def shares(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> Float64[Tensor, "T V"]:
        """What may come after the prompt, and after each token."""

    @final
    def places(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> list[Place] | None:
        """See `Reference.places`."""
        return places_in(self.shares(prompt, tokens, temperature)[:-1], tokens)

    @final
    def chances(
        self, prompt: str, before: Sequence[Token], of: Sequence[Token]
    ) -> list[float] | None:
        """See `Reference.chances`."""
        shares_V = self.shares(prompt, before, 1.0)[-1]
        return [float(shares_V[int(token)]) for token in of]


def place_among(top: Mapping[str, float], token: str) -> Place:
    """The same where only the likeliest tokens are told, with their probabilities: all others are
    taken for one.

    >>> place_among({"a": 0.5, "b": 0.25}, "c")
    Place(above=0.75, own=0.25, top=0.5)
    """
    own = top.get(token)
    if own is None:
        told = min(sum(top.values()), 1.0)
        return Place(told, 1.0 - told, max(top.values()))
    names = list(top)
    first = [p for at, (name, p) in enumerate(top.items()) if (-p, at) < (-own, names.index(token))]
    return Place(sum(first, 0.0), own, max(top.values()))
