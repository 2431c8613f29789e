"""Runs, rows and workers made of numbers, for the tests of the benchmark."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from anyorder.measure.results import Peer
from benchmarks.crew import Crew
from benchmarks.engines.engine import Written
from benchmarks.hire import WorkerError
from benchmarks.schedule import Contestant, Job, Run

TEXT = [5, 6, 7, 8]


def run(
    decoder: str,
    seconds: float = 1.0,
    *,
    engine: Any = "anyorder",
    precision: Any = "float32",
    task: str = "story",
    turn: int = 0,
    tokens: Sequence[int] = TEXT,
    calls: int = 2,
) -> Run:
    """One run."""
    job = Job(turn, task, Contestant(engine, decoder, precision))
    return Run(job, Written(list(tokens), seconds, seconds / 4, calls))


def row(
    engine: Any,
    decoder: str,
    precision: Any,
    speed: float,
    *,
    task: str = "story",
    same_text: bool | None = True,
    ratio: Mapping[str, float] | None = None,
) -> Peer:
    """One row of a result."""
    return Peer(
        engine=engine,
        decoder=decoder,
        model="tiny",
        task=task,
        precision=precision,
        batch=1,
        tokens_per_s=speed,
        spread=0.0,
        calls=2.0,
        tokens_per_call=2.0,
        same_text=same_text,
        ratio=dict(ratio or {}),
    )


class FakeWorker:
    """Writes `TEXT` at once, and remembers what it was asked for.

    `broken`: decoders that it can't run. `gone_after`: how many runs it lives.
    """

    def __init__(
        self, *, broken: Sequence[str] = (), gone_after: int = 1000, seconds: float = 0.5
    ) -> None:
        self.broken, self.gone_after, self.seconds = broken, gone_after, seconds
        self.asked: list[dict[str, Any]] = []

    @property
    def written(self) -> list[tuple[str, int]]:
        """Decoder and most tokens of every run."""
        return [(words["decoder"], words["new"]) for words in self.asked if "decoder" in words]

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        self.asked.append(words)
        if do == "encode":
            rows = [[len(text), 1, 2] for text in words["texts"]]
            return {"rows": rows, "eos": [2], "name": "tiny"}
        if do == "score":
            window = words["windows"][0][1:]
            return {"logprobs": [[-1.0 for _ in window]], "best": [window]}
        if len(self.written) > self.gone_after:
            raise WorkerError("it is gone", gone=True)
        if words["decoder"] in self.broken:
            raise WorkerError("it can't")
        return Written(TEXT[: words["new"]], self.seconds, 0.1, 2).words()


def crew_of(**workers: FakeWorker) -> Crew:
    """A crew of fakes: `ours`, and perhaps `hugging` and `llama`."""
    names = {"ours": "anyorder", "hugging": "transformers", "llama": "llama.cpp"}
    precisions = {
        "anyorder": ["float32", "bfloat16", "int8"],
        "transformers": ["float32", "bfloat16"],
        "llama.cpp": ["own"],
    }
    there = {names[name]: worker for name, worker in workers.items()}
    return Crew(dict(there), {name: precisions[name] for name in there}, {"transformers": "5"})


def hiring(crew: Crew) -> Any:
    """What stands in for `benchmarks.crew.hired`."""

    @contextmanager
    def hired(**settings: Any) -> Iterator[Crew]:
        yield crew

    return hired
