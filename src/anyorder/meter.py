"""What a run cost: calls, cells scored, seconds. Wrap a model, use it, read the meter.

    meter = Meter()
    model = meter.watch(model)              # same capability, counted
    draft = beside(model, draft)            # counted on the same meter, as "draft"
    meter.take()                            # the calls since the last take

The meter knows nothing of decoders. Shapes: B rows, T cells.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field
from functools import cache
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

Role = Literal["target", "draft"]


@dataclass(frozen=True)
class Call:
    """One call of a network: who was asked, what it read, and how long it took (seconds).

    `probes`: the last so many cells of each row are no guesses (see `masks.Tree`).
    """

    role: Role
    seconds: float
    tokens_BT: list[list[int]]
    parents_BT: list[list[int]] | None  # None: a chain
    probes: int = 0

    @property
    def cells(self) -> int:
        """Cells read, padding included: this is what the hardware computed."""
        return sum(len(row) for row in self.tokens_BT)


@dataclass(frozen=True)
class Cost:
    """The sum of a run's calls. `calls` and `cells` are the target's; drafts stand apart."""

    calls: int = 0
    cells: int = 0
    draft_calls: int = 0
    seconds: float = 0.0  # whole run, wall clock, prefill included
    model_seconds: float = 0.0  # of these, inside the target
    prompt_seconds: float = 0.0  # of the target's, those in which it read the prompt
    draft_seconds: float = 0.0  # of the whole run's, guesses: making them, and learning from calls
    tokens: int = 0  # written

    def __add__(self, other: "Cost") -> "Cost":
        """Of two runs together.

        >>> (Cost(calls=2, seconds=0.5) + Cost(calls=1, tokens=3)).calls
        3
        """
        both = zip(astuple(self), astuple(other), strict=True)
        return Cost(*(one + more for one, more in both))

    @property
    def verify_seconds(self) -> float:
        """Inside the target, behind the prompt: drafts are verified; without any, tokens written.

        >>> Cost(model_seconds=0.75, prompt_seconds=0.5).verify_seconds
        0.25
        """
        return self.model_seconds - self.prompt_seconds

    @property
    def tokens_per_call(self) -> float:
        return self.tokens / self.calls if self.calls else 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


def reading(calls: Iterable[Call], prompt: list[int]) -> list[Call]:
    """The target's `calls` that read the prompt, slice by slice, and no guess; `prompt` is the
    longest of the rows'.

    >>> called = [[5, 6], [7], [1, 2]]
    >>> calls = [Call("target", 0.1, [tokens_T], None) for tokens_T in called]
    >>> [call.tokens_BT for call in reading(calls, [5, 6, 7])]
    [[[5, 6]], [[7]]]
    """
    found: list[Call] = []
    at = 0
    for call in calls:
        left = prompt[at:]
        if not left or not any(_reads(call, cells, left) for cells in call.tokens_BT):
            break
        found.append(call)
        at += min(len(left), len(call.tokens_BT[0]))
    return found


def _reads(call: Call, cells: list[int], left: list[int]) -> bool:
    """Whether a row of a call is what is left of a prompt, as far as it goes, and probes."""
    both = min(len(cells), len(left))
    return both > 0 and cells[:both] == left[:both] and len(cells) - both <= call.probes


@runtime_checkable
class Listener(Protocol):
    """Whoever wants to know what a causal network said, in the moment that it says it."""

    def hear(
        self, tokens_BT: Any, cache: Any, tree: Any, score_BS: Any, logits_BSV: Any, /
    ) -> None:
        """A call of the target: `extend`, and what came of it; nothing of it is committed yet."""
        ...


@dataclass
class Meter:
    """Collects the calls of all models that it watches; `listener` hears the target's `extend`."""

    listener: Listener | None = None
    calls: list[Call] = field(default_factory=list)

    def watch(self, model: Any, role: Role = "target") -> "Metered":
        return Metered(model, self, role)

    def take(self) -> list[Call]:
        """The calls since the last `take`."""
        taken, self.calls = self.calls, []
        return taken


class Metered:
    """A model whose calls are counted: `extend`, with features or without, `fill`, `among`,
    `deletions`, `insertions`, `after`, `ctc`, `denoised`, `dag` and `copies`; all else is its own.
    """

    def __new__(cls, model: Any, meter: Meter, role: Role) -> "Metered":
        names = frozenset(name for name in dir(model) if not name.startswith("_"))
        return object.__new__(_showing(names - set(dir(Metered)) - {"model", "meter", "role"}))

    def __init__(self, model: Any, meter: Meter, role: Role) -> None:
        self.model, self.meter = model, meter
        self.role: Role = role

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @property
    def speaks_for(self) -> Any:
        """The network itself: see `anyorder.models.capability.missing`."""
        return getattr(self.model, "speaks_for", self.model)

    def extend(self, tokens_BT: Tensor, cache: Any, *, tree: Any = None, **options: Any) -> Tensor:
        return self._extended(self.model.extend, tokens_BT, cache, tree, options)

    def extend_with_features(
        self, tokens_BT: Tensor, cache: Any, *, tree: Any = None, **options: Any
    ) -> tuple[Tensor, Tensor]:
        """One call, as `extend` is."""
        return self._extended(self.model.extend_with_features, tokens_BT, cache, tree, options)

    def ctc(self) -> Any:
        """A CTC lattice; its cells are noted with their likeliest tokens."""
        return self._asked(self.model.ctc)

    def denoised(self, draft_BM: Tensor) -> Any:
        """A CTC lattice after a draft; noted as `ctc` is."""
        return self._asked(lambda: self.model.denoised(draft_BM))

    def dag(self) -> Any:
        """A graph; its vertices are noted with their likeliest tokens."""
        return self._asked(self.model.dag)

    def copies(self, fertility_BS: Tensor) -> Any:
        """Copies of source tokens; noted with their likeliest tokens."""
        return self._asked(lambda: self.model.copies(fertility_BS))

    def fill(self, canvas: Any) -> Tensor:
        """What stands in all cells; noted with what stood there before."""
        return self._seeing(canvas, self.model.fill)

    def among(self, tokens_BN: Tensor, *asked: Tensor) -> Tensor:
        """What cells hold that are told others; noted with all tokens, drafts too."""
        begun = time.perf_counter()
        logits_BQV = self.model.among(tokens_BN, *asked)
        seconds = time.perf_counter() - begun
        self.meter.calls.append(Call(self.role, seconds, tokens_BN.tolist(), None))
        return logits_BQV

    def deletions(self, canvas: Any) -> Tensor:
        """Which tokens are deleted; noted with all of them."""
        return self._seeing(canvas, self.model.deletions)

    def insertions(self, canvas: Any) -> Tensor:
        """How many cells are inserted; noted with what stands there."""
        return self._seeing(canvas, self.model.insertions)

    def after(self, read_BNKT: Tensor) -> Tensor:
        """What follows after spans; noted with all their tokens, one span after the other."""
        begun = time.perf_counter()
        logp_BNKV = self.model.after(read_BNKT)
        seconds = time.perf_counter() - begun
        self.meter.calls.append(Call(self.role, seconds, read_BNKT.flatten(1).tolist(), None))
        return logp_BNKV

    def exiting(self, entropy: float) -> "Metered":
        """The model whose cells leave early, on the same meter."""
        return Metered(self.model.exiting(entropy), self.meter, self.role)

    def select(self, rows_R: Tensor) -> "Metered":
        """Other rows of the model, on the same meter."""
        return Metered(self.model.select(rows_R), self.meter, self.role)

    def _extended(
        self, ask: Callable[..., Any], tokens_BT: Tensor, cache: Any, tree: Any, options: Any
    ) -> Any:
        begun = time.perf_counter()
        found = ask(tokens_BT, cache, tree=tree, **options)
        seconds = time.perf_counter() - begun
        parents, probes = (None, 0) if tree is None else (tree.parents_BT.tolist(), tree.probes)
        self.meter.calls.append(Call(self.role, seconds, tokens_BT.tolist(), parents, probes))
        if self.meter.listener is not None and self.role == "target":
            logits_BSV = found[0] if isinstance(found, tuple) else found
            score_BS = options.get("score_BS")
            self.meter.listener.hear(tokens_BT, cache, tree, score_BS, logits_BSV)
        return found

    def _seeing(self, canvas: Any, ask: Callable[[Any], Tensor]) -> Tensor:
        begun = time.perf_counter()
        said = ask(canvas)
        seconds = time.perf_counter() - begun
        self.meter.calls.append(Call(self.role, seconds, canvas.tokens_BN.tolist(), None))
        return said

    def _asked(self, ask: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        lattice = ask()
        seconds = time.perf_counter() - begun
        tokens_BT = lattice.logp_BMV.argmax(-1).tolist()
        self.meter.calls.append(Call(self.role, seconds, tokens_BT, None))
        return lattice


@cache
def _showing(names: frozenset[str]) -> type[Metered]:
    """A kind of `Metered` on which a protocol sees these attributes of the model: from Python 3.12
    on it does not ask for what is only passed on.
    """

    def passed_on(name: str) -> property:
        return property(lambda metered: getattr(metered.model, name))

    shown: dict[str, Any] = {name: passed_on(name) for name in names}
    return type("Metered", (Metered,), shown | {"__doc__": Metered.__doc__})


def beside(model: Any, other: Any) -> Any:
    """`other`, counted as a draft on the meter that watches `model` (if one does)."""
    return model.meter.watch(other, "draft") if isinstance(model, Metered) else other
