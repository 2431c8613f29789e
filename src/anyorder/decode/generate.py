"""Text in, text out: one prompt or many, with any decoder.

    out = generate(lm, "Once upon a time", decoder=TokenRecycling(), max_new_tokens=128)
    out.text, out.tokens, out.logprobs, out.finish, out.cost, out.trace

One prompt gives plain values, a list of prompts gives lists.
"""

import operator
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, SupportsIndex, cast

from anyorder.decode.catalogue import label, parse
from anyorder.decode.run import Decoder
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Reason
from anyorder.decode.vocabulary import understood
from anyorder.decode.writing import Begun, Output, Writing
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.trace import Trace


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
        logit_bias={} if logit_bias is None else logit_bias,
    )
    prompts, strings = _texts(prompt, "a prompt"), tuple(_texts(stop, "a stop string"))
    chosen = understood(lm, _chosen(lm, decoder))
    seeds = _seeds(seed, len(prompts))
    if chat:
        lm.units.chats(chat, lm.name)
    model, canvas = lm.begin(prompts, max_new_tokens=max_new_tokens, chat=chat)
    facts = {"decoder": label(chosen), "model": lm.name, "prompts": prompts, "seeds": list(seeds)}
    sampler = Sampler(sampling, Coins.of_seeds(seeds, cells=canvas.tokens_BN.shape[1]), lm.eos_ids)
    begun = Begun(lm, model, Trace(canvas, facts=facts))
    writing = Writing(begun, chosen, sampler, strings, speaks=on_text is not None)
    _finished(writing, on_text, on_step)
    out = writing.output()
    out = replace(out, finish=_reasons(out, lm, max_new_tokens))
    return replace(out, **_alone(out)) if isinstance(prompt, str) else out


def _texts(given: Any, what: str) -> list[str]:
    """One text or several, as a list."""
    many = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    for text in many:
        if not isinstance(text, str):
            raise ValueError(f"{what} is text, not {text!r}")
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise ValueError(f"{what} has half a character (a lone surrogate), which is no text")
    return many


def _chosen(lm: Any, decoder: Any) -> Decoder:
    """The decoder that is meant; ValueError for what can't be one, or for no model."""
    if not isinstance(lm, Writer):
        raise ValueError(f"generate needs a loaded model: anyorder.load(...), not {lm!r}")
    return meant(lm.decoder if decoder is None else decoder)


def meant(decoder: Any) -> Decoder:
    """A decoder, or the one of that name. Raises ValueError for what is neither."""
    chosen = parse(decoder) if isinstance(decoder, str) else decoder
    if isinstance(chosen, type):
        raise ValueError(f"{chosen.__name__} is a class; make a decoder of it: {chosen.__name__}()")
    if not isinstance(chosen, Decoder):
        raise ValueError(f"a decoder is needed, or the name of one, not {decoder!r}")
    return chosen


def _reasons(out: Output, lm: Writer, max_new_tokens: int) -> list[Reason]:
    """Why each text ended: "context" where a language model had no room for the tokens asked."""
    room_B = out.trace.start.open_BN.sum(-1).tolist()
    short = [isinstance(lm, LanguageModel) and room < max_new_tokens for room in room_B]
    return [
        "context" if reason == "length" and full else reason
        for reason, full in zip(cast(list[Reason], out.finish), short, strict=True)
    ]


def _finished(
    writing: Writing,
    on_text: Callable[[int, str], None] | None,
    on_step: Callable[[Trace], None] | None,
) -> None:
    """Take all steps, and tell of them."""
    for progress in writing:
        if on_step and progress.step:  # first: what is said stands in the trace, always
            on_step(writing.trace)
        for row, piece in progress.said.items():
            if on_text:
                on_text(row, piece)


def _alone(out: Output) -> dict[str, Any]:
    """The first row's values."""
    return {name: getattr(out, name)[0] for name in ("text", "tokens", "logprobs", "finish")}


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
