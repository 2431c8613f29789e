"""Text in, text out: one prompt or many, with any decoder.

    out = generate(lm, "Once upon a time", decoder=TokenRecycling(), max_new_tokens=128)
    out.text, out.tokens, out.logprobs, out.finish, out.cost, out.trace

One prompt gives plain values, a list of prompts gives lists.
"""

import operator
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.catalogue import label, parse
from anyorder.decode.run import Decoder, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Reason, Stops
from anyorder.decode.vocabulary import same_vocabulary
from anyorder.meter import Cost
from anyorder.models.writer import Writer
from anyorder.trace import Step, Trace


@dataclass(frozen=True)
class Output:
    """What was written: a value if one prompt was given, a list if a list was.

    `tokens` ends with the token that ended the text (end of sequence, or end of a stop string);
    `text` does not hold it. `logprobs` are the model's own: temperature 1, no filters. `finish` is
    "eos" (the model ended it), "stop" or "length".
    """

    text: str | list[str]
    tokens: list[int] | list[list[int]]
    logprobs: list[float] | list[list[float]]
    finish: Reason | list[Reason]
    trace: Trace
    seeds: tuple[int, ...]

    @property
    def cost(self) -> Cost:
        """Calls, cells and seconds of the whole run."""
        return self.trace.cost


def generate(
    lm: Writer,
    prompt: str | Sequence[str],
    *,
    decoder: Decoder | str | None = None,
    max_new_tokens: int = 128,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    logit_bias: Mapping[int, float] | None = None,
    stop: str | Sequence[str] = (),
    seed: SupportsIndex | Sequence[SupportsIndex] | None = None,
    chat: bool | None = None,
    on_text: Callable[[int, str], None] | None = None,
    on_step: Callable[[Trace], None] | None = None,
) -> Output:
    """Write after each prompt until an end of sequence, a stop string or `max_new_tokens`.

    `decoder` is a decoder or its name (None: the model's own, "auto" for language models). Row i of
    a batch with seed s writes what it writes alone with seed s + i; no seed draws one. `chat` wraps
    the prompt in the model's chat template (None: if it has one). `on_text(row, piece)` is told the
    text as it is written, `on_step(trace)` the trace so far, after each step (of a run that is
    broken off, the last one is what there is).
    Raises ValueError, with a sentence that says what to do, for anything that can't be served.

    >>> generate(lm, "Once upon a time", max_new_tokens=8).text  # doctest: +SKIP
    'there was a little girl named'
    """
    sampling = Sampling(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        logit_bias=dict(logit_bias or {}),
    )
    prompts, strings = _texts(prompt, "a prompt"), tuple(_texts(stop, "a stop string"))
    chosen = _chosen(lm, decoder)
    same_vocabulary(lm, chosen)
    seeds = _seeds(seed, len(prompts))
    model, canvas = lm.begin(prompts, max_new_tokens=max_new_tokens, chat=chat)
    facts = {"decoder": label(chosen), "model": lm.name, "prompts": prompts, "seeds": list(seeds)}
    sampler = Sampler(sampling, Coins.of_seeds(seeds, cells=canvas.tokens_BN.shape[1]), lm.eos_ids)
    begun = Begun(lm, model, Trace(canvas, facts=facts))
    out = _written(begun, chosen, sampler, strings, on_text, on_step)
    return replace(out, **_alone(out)) if isinstance(prompt, str) else out


def _texts(given: Any, what: str) -> list[str]:
    """One text or several, as a list."""
    many = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    for text in many:
        if not isinstance(text, str):
            raise ValueError(f"{what} is text, not {text!r}")
    return many


def _chosen(lm: Any, decoder: Any) -> Decoder:
    """The decoder that is meant; ValueError for what can't be one, or for no model."""
    if not isinstance(lm, Writer):
        raise ValueError(f"generate needs a loaded model: anyorder.load(...), not {lm!r}")
    wanted = lm.decoder if decoder is None else decoder
    chosen = parse(wanted) if isinstance(wanted, str) else wanted
    if isinstance(chosen, type):
        raise ValueError(f"{chosen.__name__} is a class; make a decoder of it: {chosen.__name__}()")
    if not isinstance(chosen, Decoder):
        raise ValueError(f"a decoder is needed, or the name of one, not {decoder!r}")
    return chosen


@dataclass(frozen=True)
class Begun:
    """A run before its first step: who writes, with which network, after what."""

    lm: Writer
    model: Any
    trace: Trace


def _written(
    begun: Begun,
    decoder: Decoder,
    sampler: Sampler,
    strings: tuple[str, ...],
    on_text: Callable[[int, str], None] | None,
    on_step: Callable[[Trace], None] | None,
) -> Output:
    """All rows, in lists."""
    lm, trace = begun.lm, begun.trace
    canvas = after = trace.start
    rows = range(len(canvas.tokens_BN))
    watch = Stops(lm.eos_ids, strings, lm.units.stream if strings else None).start(canvas)
    speakers = [Speaker(lm, row, strings, on_text) for row in rows]
    made: list[Step] = []
    for step, after in steps(decoder, begun.model, canvas, sampler, watch):
        made.append(step)
        if on_step:  # first: whatever is said stands in the trace, even if it is the last word
            on_step(replace(trace, steps=tuple(made)))
        for speaker in speakers:
            speaker.hear(after)
    for speaker in speakers:
        speaker.finish()
    texts, tokens, logprobs = map(
        list, zip(*(_row(lm, after, row, strings) for row in rows), strict=True)
    )
    trace = replace(trace, steps=tuple(made), facts=trace.facts | {"texts": texts})
    trace = replace(trace, pieces=pieces_of(lm, trace))
    reasons: list[Reason] = [watch.reasons[row] for row in rows]
    return Output(texts, tokens, logprobs, reasons, trace, tuple(trace.facts["seeds"]))


def _alone(out: Output) -> dict[str, Any]:
    """The first row's values."""
    return {name: getattr(out, name)[0] for name in ("text", "tokens", "logprobs", "finish")}


class Speaker:
    """Says a row's text as it becomes certain; what may still become a stop string is held back."""

    def __init__(
        self,
        lm: Writer,
        row: int,
        strings: tuple[str, ...],
        on_text: Callable[[int, str], None] | None,
    ) -> None:
        self.lm, self.row, self.strings, self.on_text = lm, row, strings, on_text
        self.stream = lm.units.stream() if on_text else None
        self.said = -1
        self.held = ""
        self.ended = False

    def hear(self, canvas: Canvas) -> None:
        """Say what is new on the canvas."""
        if self.stream is None or self.on_text is None or self.ended:
            return
        if self.said < 0:
            self.said = _prompt_cells(canvas, self.row)
        frontier = int(canvas.frontier_B[self.row])
        tokens = canvas.tokens_BN[self.row, self.said : frontier].tolist()
        self.said += len(tokens)
        text = self.held + "".join(self.stream.push(t) for t in tokens if t not in self.lm.eos_ids)
        self.ended = any(string in text for string in self.strings)
        text = before_stop(text, self.strings)
        kept = 0 if self.ended else _may_begin(text, self.strings)
        self.held = text[len(text) - kept :]
        if len(text) > kept:
            self.on_text(self.row, text[: len(text) - kept])

    def finish(self) -> None:
        """Say what was held back: no stop string came of it."""
        if self.stream is None or self.on_text is None or self.ended:
            return
        rest = self.held + self.stream.flush()
        if rest:
            self.on_text(self.row, rest)


def before_stop(text: str, strings: tuple[str, ...]) -> str:
    """The text before the first stop string.

    >>> before_stop("one. two", (". ", "two"))
    'one'
    """
    places = [text.index(string) for string in strings if string in text]
    return text[: min(places)] if places else text


def pieces_of(lm: Writer, trace: Trace) -> dict[int, str]:
    """The text of every token that the trace shows, drafted ones included."""
    tokens = {token for row in trace.start.tokens_BN.tolist() for token in row}
    for step in trace.steps:
        tokens.update(change.token for change in step.changes)
        tokens.update(t for call in step.calls for row in call.tokens_BT for t in row)
    return {token: lm.units.piece(token) for token in sorted(tokens)}


def _may_begin(text: str, strings: tuple[str, ...]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    lengths = [n for string in strings for n in range(1, len(string)) if text.endswith(string[:n])]
    return max(lengths, default=0)


def _prompt_cells(canvas: Canvas, row: int) -> int:
    return int((canvas.status_BN[row] == GIVEN).long().cumprod(-1).sum())


def _row(
    lm: Writer, canvas: Canvas, row: int, strings: tuple[str, ...]
) -> tuple[str, list[int], list[float]]:
    begin = _prompt_cells(canvas, row)
    tokens = canvas.row(row)[begin:]
    said = [token for token in tokens if token not in lm.eos_ids]  # special to the tokenizer or not
    text = before_stop(lm.units.decode(said), strings)
    return text, tokens, canvas.logprobs_BN[row, begin : begin + len(tokens)].tolist()


def _seeds(seed: Any, rows: int) -> tuple[int, ...]:
    """One for each row, as Python's own integers: those of numpy and torch are welcome."""
    try:
        first = operator.index(secrets.randbelow(2**31) if seed is None else seed)
        seeds = tuple(first + row for row in range(rows))
    except TypeError:
        seeds = _whole(seed)
    if len(seeds) != rows:
        raise ValueError(f"{len(seeds)} seeds were given for {rows} prompts")
    if any(one < 0 for one in seeds):
        raise ValueError(f"a seed is 0 or more, not {min(seeds)}")
    return seeds


def _whole(seeds: Any) -> tuple[int, ...]:
    try:
        return tuple(map(operator.index, seeds))
    except TypeError:
        raise ValueError(f"a seed is a whole number, or one for each prompt, not {seeds}") from None
