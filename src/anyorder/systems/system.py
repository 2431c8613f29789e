"""What a published system is here: facts, the parts that it is made of, how it is measured.

    SYSTEM = System(
        number=174, slug="token-recycling", family="draft", paper="Luo et al., arXiv:2408.08696",
        mechanism="...", parts=(TokenRecycling,), laws=(1, 2, 3), minutes=8,
        experiments=(Prompted(...),), claims=(Claim("...", Less("calls", than="prompt-copy")),),
    )

The file `systems/<family>/<slug>.py` that holds it is its registration. An experiment is a frozen
dataclass that splits its work into parts; a part that was measured is never measured again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from anyorder.systems.bench import Bench
from anyorder.systems.claims import Claim

Numbers = Mapping[str, Mapping[str, float]]  # row -> metric -> value
BATTERY = range(1, 10)  # numbers of the laws, see docs/laws.md


@dataclass(frozen=True)
class Part:
    """A piece of an experiment, some minutes at the most: what it adds to the rows of one seed.

    `stands_for` says what the seed is here: "prompts 1 to 3 of each kind", "initialisation"; a
    function says it after the part has run.
    """

    name: str
    seed: int
    stands_for: str | Callable[[], str]
    run: Callable[[], Numbers]


@runtime_checkable
class Experiment(Protocol):
    """A way to measure; its fields are the recipe. See `anyorder.systems.experiments`."""

    def parts(self, bench: Bench) -> Sequence[Part]:
        """The pieces of the work, in order; together they give each metric a value for every seed.

        Raises ValueError if the bench asks for what can't be had (more seeds than prompts, say).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class System:
    """A published method. Its title stands in the catalogue, its verdicts in its result.

    `mechanism`: how it works, in about three sentences. `parts`: the classes of this library that
    do it. `laws`: which of the battery hold of them; `own_laws`: tests of its own, as pytest names
    them. `minutes`: what a full run of three seeds takes on two CPU cores, about,
    with all models that it trains (others may have trained them before).
    """

    number: int
    slug: str
    family: str
    paper: str
    mechanism: str
    parts: tuple[type, ...]
    laws: tuple[int, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]
    minutes: int
    own_laws: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all((self.parts, self.experiments, self.claims)), f"{self.slug} is not complete"
        assert set(self.laws) <= set(BATTERY), f"{self.slug} names a law that is not there"
