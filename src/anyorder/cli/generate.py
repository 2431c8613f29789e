"""`anyorder generate`: write after a prompt, and show the text while it is written."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyorder.cli.options import (
    Chat,
    Device,
    Exactness,
    Head,
    Model,
    NewTokens,
    Precision,
    Threads,
    decoder_of,
    loaded,
    may_write,
)
from anyorder.cli.screen import complain, remark, waiting

if TYPE_CHECKING:
    from anyorder.decode.writing import Output
    from anyorder.models.writer import Writer
    from anyorder.trace import Trace

Text = Annotated[
    str | None,
    typer.Argument(
        help="The prompt; - reads it from stdin. To a model that fills holes ___ is one, ___:2 one "
        "of two tokens, and ___:2: one before a digit or a colon.",
        show_default=False,
    ),
]
PromptFile = Annotated[
    Path | None, typer.Option(help="Read the prompt from this file.", show_default=False)
]
Spec = Annotated[
    str | None,
    typer.Option("--decoder", "-d", help="See `anyorder decoders`; else the model's own, or auto."),
]
Temperature = Annotated[float, typer.Option("--temperature", "-t", help="0: greedy.")]
TopK = Annotated[int, typer.Option(help="Only the k likeliest tokens; 0: all.")]
TopP = Annotated[float, typer.Option(help="Only the likeliest with this mass; 1: all.")]
MinP = Annotated[float, typer.Option(help="Only tokens this likely beside the likeliest; 0: all.")]
Penalty = Annotated[float, typer.Option(help="Above 1: what was said is less likely; 1: off.")]
Strings = Annotated[
    list[str] | None,
    typer.Option("--stop", help=r"End before this string (\n, \t known); may be repeated."),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Left out: another one each time.", show_default=False)
]
TraceFile = Annotated[
    Path | None, typer.Option(help="Save how it was written, for replay.", show_default=False)
]
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def generate(
    text: Text = None,
    prompt_file: PromptFile = None,
    model: Model = "smollm2",
    decoder: Spec = None,
    max_new_tokens: NewTokens = 128,
    temperature: Temperature = 0.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    min_p: MinP = 0.0,
    repetition_penalty: Penalty = 1.0,
    stop: Strings = None,
    seed: Seed = None,
    chat: Chat = None,
    precision: Precision = "auto",
    exactness: Exactness = "usual",
    device: Device = "cpu",
    head: Head = None,
    threads: Threads = None,
    trace: TraceFile = None,
) -> None:
    """Write after a prompt, and show the text while it is written."""
    prompt, strings = _prompt(text, prompt_file), _stops(stop or [])
    may_write(trace)
    with waiting("Starting ..."):
        from anyorder.decode.sampling import Sampling
    filters = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    sampling = Sampling(temperature=temperature, repetition_penalty=repetition_penalty, **filters)
    on: dict[str, Any] = {"precision": precision, "threads": threads, "device": device}
    settings = asdict(sampling) | {
        "decoder": decoder and decoder_of(decoder, **on),
        "max_new_tokens": max_new_tokens,
        "stop": strings,
        "seed": seed,
        "chat": chat,
    }
    lm = loaded(model, **on, head=head, exactness=exactness)
    write(lm, prompt, settings, trace)


def write(lm: "Writer", prompt: str, settings: dict[str, Any], path: Path | None) -> None:
    """Stream the text to stdout; whatever ends it, the trace of what was written is saved."""
    from anyorder.decode.generate import generate as run

    live = _Live()
    try:
        with _on_new_lines(live):
            out = run(lm, prompt, **settings, on_text=live.hear, on_step=live.see)
    except BaseException:
        if live.said:
            _end_line()
        if path is not None and live.trace is not None:
            _save_unfinished(lm, live.trace, path)
        raise
    _end_line()
    remark(figures(out, sampled=settings["temperature"] > 0))
    if path is not None:
        save(out.trace, path)


@dataclass
class _Live:
    """What is known of a text while it is written."""

    said: bool = False
    within: bool = False  # a line that has begun
    trace: "Trace | None" = None

    def hear(self, _: int, piece: str) -> None:
        self.said, self.within = True, not piece.endswith("\n")
        _say(piece)

    def see(self, trace: "Trace") -> None:
        self.trace = trace


@contextmanager
def _on_new_lines(live: _Live) -> Iterator[None]:
    """A warning begins on a line of its own where text is shown in the same terminal."""
    show = warnings.showwarning

    def shown(*of: Any) -> None:
        if live.within and sys.stdout.isatty() and sys.stderr.isatty():
            sys.stderr.write("\n")
            live.within = False
        show(*of)

    warnings.showwarning = shown
    try:
        yield
    finally:
        warnings.showwarning = show


def _save_unfinished(lm: "Writer", trace: "Trace", path: Path) -> None:
    from anyorder.decode.writing import pieces_of, raw_of

    pieces = pieces_of(lm, trace)
    try:
        save(replace(trace, pieces=pieces, raw=raw_of(lm, pieces)), path)
    except OSError as error:  # what ended the run is the news
        complain(str(error))


def _say(piece: str) -> None:
    if sys.stdout.isatty():
        from anyorder.show.replay import printable

        piece = printable(piece)
    sys.stdout.write(piece)
    sys.stdout.flush()


def _end_line() -> None:
    try:
        _say("\n")
    except OSError:  # the run has met it too, or the next flush will
        return


def _prompt(text: str | None, file: Path | None) -> str:
    """The prompt, from the command line, a file or stdin; ValueError if it is empty or no text."""
    if (text is None) == (file is None):
        raise typer.BadParameter("give a prompt, or a --prompt-file that holds one")
    try:
        if text is None or text == "-":
            given: bytes = file.read_bytes() if file else sys.stdin.buffer.read()
            text = given.decode("utf-8-sig").removesuffix("\n")
        text.encode()
    except UnicodeError as error:
        raise ValueError("the prompt is no UTF-8 text") from error
    if not text:
        raise ValueError("the prompt is empty; write at least one word")
    return text


def _stops(given: list[str]) -> list[str]:
    """Stop strings, looked at before a model is loaded for nothing."""
    if "" in given:
        raise ValueError("a stop string is empty; give at least one character")
    return [unescaped(string) for string in given]


def unescaped(text: str) -> str:
    r"""`\n`, `\t`, `\r` and `\\` as what they stand for; all else as it is.

    >>> unescaped(r"a\nb\\n\d")
    'a\nb\\n\\d'
    """
    return re.sub(r"\\([ntr\\])", lambda found: ESCAPES[found[1]], text)


def figures(out: "Output", *, sampled: bool) -> str:
    """What it cost and why it ended, in one line; the seed if it decided anything."""
    cost = out.cost
    words = [
        f"{cost.tokens_per_second:.1f} tokens/s",
        f"{cost.calls} call{'s' * (cost.calls != 1)}",
        f"{cost.tokens_per_call:.2f} tokens per call",
        f"{cost.tokens} tokens in {cost.seconds:.1f} s",
        f"ended by {_reason(out)}",
    ]
    words += [f"seed {out.seeds[0]}"] if sampled else []
    return " · ".join(words)


def _reason(out: "Output") -> str:
    """Why it ended; a context that is full is no wish of the user's."""
    cells = int(out.trace.start.length_B[0])
    return f"the model's context ({cells} tokens)" if out.finish == "context" else str(out.finish)


def save(trace: "Trace", path: Path) -> None:
    """Save a trace. Raises OSError with one sentence; the text is on stdout already."""
    try:
        trace.save(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OSError(f"{path} can't be written: {why}") from error
