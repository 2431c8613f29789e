"""How fast translators are: latency alone, throughput in batches; and what they write.

    texts = translate(translator, sources, decoder="ctc-greedy")
    found = speeds({"ctc": Reading(ctc), "dag": Reading(dag, "dag-beam")}, sources)
    found["ctc"].latency, found["ctc"].throughput

Latency is the median time of one source alone, throughput the targets a second at the best batch.
Both begin at the ids of the source and end at the ids of the target: tokenizers take no part. All
translators take turns at every source and every batch, each time in another order, so that they
meet the same machine.
Source: Kasai et al. 2021 (arXiv:2006.10369), section 3.1: speed at batch 1 and the largest batch.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.decode.vocabulary import understood
from anyorder.meter import Cost
from anyorder.models.translator import Translator
from anyorder.trace import Trace, fold


@runtime_checkable
class Reader(Protocol):
    """What can be timed: ours, or an engine beside it."""

    def reads(self, source: str) -> bool:
        """Whether it can read this source."""
        ...

    def write(self, sources: Sequence[str], max_new_tokens: int) -> Cost:
        """Translate a batch, greedily; what that cost, from ids to ids."""
        ...


@dataclass(frozen=True)
class Reading:
    """A translator with one of its decoders (None: the one that suits it best).

    Raises ValueError for a decoder with models of another vocabulary.
    """

    translator: Translator
    decoder: Decoder | str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", _decoder(self.translator, self.decoder))

    def reads(self, source: str) -> bool:
        return self.translator.reads(source)

    def write(self, sources: Sequence[str], max_new_tokens: int) -> Cost:
        decoder = _decoder(self.translator, self.decoder)
        return _run(self.translator, decoder, sources, max_new_tokens).cost


@dataclass(frozen=True)
class Speed:
    """`calls`, and `cells` that they read, a source alone; `latency` in milliseconds, `throughput`
    in sources a second with `batch` of them at once, the median of several passes.

    `latency_spread` is the range of the middle half of the sources, `throughput_spread` that of
    all passes, in the same units.
    """

    calls: float
    cells: float
    latency: float
    latency_spread: float
    throughput: float
    throughput_spread: float
    batch: int


def translate(
    translator: Translator,
    sources: Sequence[str],
    *,
    decoder: Decoder | str | None = None,
    max_new_tokens: int = 200,
    batch: int = 64,
    whole: bool = False,
    watch: Callable[[Trace], None] = lambda trace: None,
) -> list[str]:
    """The targets of many sources, greedily, `batch` at a time; sources of like length together.

    A source that is empty, or longer than the model reads, has the target "", and, if `whole` ones
    are asked for, so has one whose target did not end within `max_new_tokens`. `watch` is shown
    what happened, batch by batch.
    """
    chosen = _decoder(translator, decoder)
    readable = [i for i, source in enumerate(sources) if translator.reads(source)]
    order = sorted(readable, key=lambda i: len(sources[i]))
    texts = [""] * len(sources)
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        trace = _run(translator, chosen, [sources[i] for i in part], max_new_tokens)
        watch(trace)
        most = max_new_tokens if whole else None
        for i, text in zip(part, _texts(translator, fold(trace), most), strict=True):
            texts[i] = text
    return texts


def speeds(
    readers: Mapping[str, Reader],
    sources: Sequence[str],
    *,
    max_new_tokens: int = 200,
    timed: int = 60,
    batches: Sequence[int] = (16, 64, 256),
    passes: int = 3,
) -> dict[str, Speed]:
    """How fast each reader is: the first `timed` sources give the latency, all of them the
    throughput, `passes` times over. Raises ValueError where one can read none of them.
    """
    short = [source for source in sources if all(r.reads(source) for r in readers.values())]
    if not short:
        raise ValueError("the models can read none of the sources: they are too long, or empty")
    single = [[source] for source in (*short[:1], *short[:timed])]
    alone = {
        name: costs[1:]  # the first call sets things up
        for name, costs in _in_turns(readers, single, max_new_tokens).items()
    }
    short.sort(key=len)
    sizes = sorted({min(batch, len(short)) for batch in batches})
    by_batch = {size: _throughputs(readers, short, size, passes, max_new_tokens) for size in sizes}
    return {
        name: _speed(costs, {size: found[name] for size, found in by_batch.items()})
        for name, costs in alone.items()
    }


def _speed(alone: Sequence[Cost], by_batch: Mapping[int, Sequence[float]]) -> Speed:
    """Of the costs of single sources, and of the throughput of each pass by the size of batches."""
    best = max(by_batch, key=lambda size: statistics.median(by_batch[size]))
    seconds = [cost.seconds for cost in alone]
    low, _, high = statistics.quantiles(seconds) if len(seconds) > 1 else seconds * 3
    return Speed(
        calls=statistics.fmean(cost.calls for cost in alone),
        cells=statistics.fmean(cost.cells for cost in alone),
        latency=1e3 * statistics.median(seconds),
        latency_spread=1e3 * (high - low),
        throughput=statistics.median(by_batch[best]),
        throughput_spread=max(by_batch[best]) - min(by_batch[best]),
        batch=best,
    )


def _throughputs(
    readers: Mapping[str, Reader],
    sources: Sequence[str],
    batch: int,
    passes: int,
    max_new_tokens: int,
) -> dict[str, list[float]]:
    """Sources a second of each pass, `batch` of them at once."""
    parts = [sources[at : at + batch] for at in range(0, len(sources), batch)]
    costs = _in_turns(readers, [parts[0], *parts * passes], max_new_tokens)
    return {
        name: [
            len(sources) / sum(cost.seconds for cost in made[1 + at : 1 + at + len(parts)])
            for at in range(0, len(parts) * passes, len(parts))
        ]
        for name, made in costs.items()
    }


def _in_turns(
    readers: Mapping[str, Reader], batches: Sequence[Sequence[str]], max_new_tokens: int
) -> dict[str, list[Cost]]:
    """The costs of each batch; with every batch another reader is the first."""
    names, costs = list(readers), {name: list[Cost]() for name in readers}
    for number, batch in enumerate(batches):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(readers[name].write(batch, max_new_tokens))
    return costs


def _decoder(translator: Translator, decoder: Decoder | str | None) -> Decoder:
    chosen = translator.decoder if decoder is None else decoder
    return understood(translator, parse(chosen) if isinstance(chosen, str) else chosen)


def _run(
    translator: Translator, decoder: Decoder, sources: Sequence[str], max_new_tokens: int
) -> Trace:
    model, canvas = translator.begin(sources, max_new_tokens=max_new_tokens)
    coins = Coins.of_seeds([0] * len(sources), cells=canvas.tokens_BN.shape[1])
    sampler = Sampler(Sampling(), coins, translator.eos_ids)
    return run(decoder, model, canvas, sampler, Stops(translator.eos_ids))


def _texts(translator: Translator, canvas: Canvas, most: int | None) -> list[str]:
    """What stands after the first cell of each row; "" for what has `most` tokens and no end."""
    rows = [canvas.row(b)[1:] for b in range(len(canvas.tokens_BN))]
    cut = [len(row) == most and row[-1] not in translator.eos_ids for row in rows]
    return ["" if c else translator.units.decode(row) for c, row in zip(cut, rows, strict=True)]
