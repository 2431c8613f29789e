"""How fast a translator is: latency alone, throughput in batches; and what it writes.

    judged = judge(translator, sources, decoder="ctc-greedy")
    judged.hypotheses, judged.latency, judged.throughput

Latency is the median time of one source alone, throughput the targets a second at the best batch.
Both begin at the ids of the source and end at the ids of the target: tokenizers take no part.
Source: Kasai et al. 2021 (arXiv:2006.10369), section 3.1: speed at batch 1 and the largest batch.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.decode.vocabulary import same_vocabulary
from anyorder.models.translator import Translator
from anyorder.trace import Trace, fold


@dataclass(frozen=True)
class Judged:
    """`calls` a source alone, `latency` in milliseconds, `throughput` in sources a second with
    `batch` of them at once.
    """

    calls: float
    latency: float
    throughput: float
    batch: int
    hypotheses: tuple[str, ...]


def translate(
    translator: Translator,
    sources: Sequence[str],
    *,
    decoder: Decoder | str | None = None,
    max_new_tokens: int = 200,
    batch: int = 64,
) -> list[str]:
    """The targets of many sources, greedily, `batch` at a time; sources of like length together.

    A source that is empty, or longer than the model reads, has the target "".
    """
    chosen = _decoder(translator, decoder)
    readable = [i for i, source in enumerate(sources) if translator.reads(source)]
    order = sorted(readable, key=lambda i: len(sources[i]))
    texts = [""] * len(sources)
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        trace = _run(translator, chosen, [sources[i] for i in part], max_new_tokens)
        for i, text in zip(part, _texts(translator, fold(trace)), strict=True):
            texts[i] = text
    return texts


def judge(
    translator: Translator,
    sources: Sequence[str],
    *,
    decoder: Decoder | str | None = None,
    max_new_tokens: int = 200,
    timed: int = 60,
    batches: Sequence[int] = (16, 64, 256),
) -> Judged:
    """What it makes of all sources; the first `timed` give the latency, all of them throughput."""
    chosen = _decoder(translator, decoder)
    short = [source for source in sources if translator.reads(source)][:timed]
    if not short:
        raise ValueError(f"{translator.name} can't read any of the sources: they are too long")
    _run(translator, chosen, short[:1], max_new_tokens)  # first calls set things up
    alone = [_run(translator, chosen, [one], max_new_tokens).cost for one in short]
    speeds: dict[int, float] = {}
    hypotheses: list[str] = []
    for batch in sorted({min(batch, len(sources)) for batch in batches}):
        begun = time.perf_counter()
        hypotheses = translate(
            translator, sources, decoder=chosen, max_new_tokens=max_new_tokens, batch=batch
        )
        speeds[batch] = len(sources) / (time.perf_counter() - begun)
    best = max(speeds, key=speeds.__getitem__)
    return Judged(
        calls=statistics.fmean(cost.calls for cost in alone),
        latency=1e3 * statistics.median(cost.seconds for cost in alone),
        throughput=speeds[best],
        batch=best,
        hypotheses=tuple(hypotheses),
    )


def _decoder(translator: Translator, decoder: Decoder | str | None) -> Decoder:
    chosen = translator.decoder if decoder is None else decoder
    made = parse(chosen) if isinstance(chosen, str) else chosen
    same_vocabulary(translator, made)
    return made


def _run(
    translator: Translator, decoder: Decoder, sources: Sequence[str], max_new_tokens: int
) -> Trace:
    model, canvas = translator.begin(sources, max_new_tokens=max_new_tokens)
    coins = Coins.of_seeds([0] * len(sources), cells=canvas.tokens_BN.shape[1])
    sampler = Sampler(Sampling(), coins, translator.eos_ids)
    return run(decoder, model, canvas, sampler, Stops(translator.eos_ids))


def _texts(translator: Translator, canvas: Canvas) -> list[str]:
    """What stands after the first cell of each row."""
    return [translator.units.decode(canvas.row(b)[1:]) for b in range(len(canvas.tokens_BN))]
