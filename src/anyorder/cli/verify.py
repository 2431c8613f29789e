"""`anyorder verify`: do the laws hold of your decoder, of transformers, llama.cpp, a server?"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

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
)
from anyorder.cli.plain import plain
from anyorder.cli.screen import complain, out, waiting

if TYPE_CHECKING:
    from anyorder.decode.run import Decoder
    from anyorder.measure.verify.laws import Effort
    from anyorder.measure.verify.subject import Finding, Reference, Subject
    from anyorder.models.writer import Writer

What = Annotated[
    str,
    typer.Argument(
        help="A decoder (a name, or my_decoder.py:Mine), transformers, llama.cpp "
        "(llama-cpp-python's own generation), or the address of a server "
        "(http://localhost:8000/v1)."
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(help="JSON lines with a prompt each; left out: five that come along.")
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="NAME=VALUE of generate (transformers), of each request (a server), or of drafting by "
        "prompt lookup (llama.cpp: num_pred_tokens, max_ngram_size).",
    ),
]
Assistant = Annotated[
    str | None, typer.Option(help="transformers: the model that drafts.", show_default=False)
]
Plain = Annotated[
    str | None,
    typer.Option(help="A server: one of the same model without drafts.", show_default=False),
]
Draws = Annotated[
    int | None,
    typer.Option(min=0, help="Texts that are drawn; left out: 100, of a server 10; 0: none."),
]
Temperature = Annotated[float, typer.Option("--temperature", "-t", min=0.01, help="Of the draws.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draws.")]
OURS, HUGGING, LLAMACPP, SERVER = "a decoder of anyorder", "transformers", "llama.cpp", "a server"
_HERE: Final = ((OURS, HUGGING, LLAMACPP), "what runs here")
_ALONE: Final = ((OURS,), f"{OURS}: leave it out")
FOR: Final = {  # whom an option is for, and how that is said
    "--with": ((HUGGING, LLAMACPP, SERVER), "transformers, llama.cpp and servers"),
    "--assistant": ((HUGGING,), HUGGING),
    "--plain": ((SERVER,), SERVER),
    **dict.fromkeys(("--precision", "--chat", "--threads"), _HERE),
    **dict.fromkeys(("--device", "--head", "--exactness"), _ALONE),
}
OWN: Final = (
    "Name three colours.",
    "Write one sentence about the sea.",
    "Repeat this: one two three, one two three, one two three.",
    "Fix the spelling: I lik to reed boks in the gardn.",
    "def fibonacci(n):",
)
WORDS: Final = {True: "holds", False: "FAILS", None: "not offered"}
NOTED: Final = {False: "FAILED", None: "no fault"}


def verify(
    what: What,
    model: Model = "smollm2",
    prompts: Prompts = None,
    max_new_tokens: NewTokens = 48,
    draws: Draws = None,
    temperature: Temperature = 1.0,
    seed: Seed = 0,
    with_: With = None,
    assistant: Assistant = None,
    plain: Plain = None,
    chat: Chat = None,
    precision: Precision = "auto",
    exactness: Exactness = "usual",
    device: Device = "cpu",
    head: Head = None,
    threads: Threads = None,
) -> None:
    """Test whether laws hold: of a decoder, a library, a server."""
    kind, texts, asked = _kind(what), _prompts(prompts), options(with_ or ())
    given = {"--with": asked, "--assistant": assistant, "--plain": plain, "--head": head}
    given |= {"--precision": precision != "auto", "--chat": chat is not None, "--threads": threads}
    given |= {"--device": device != "cpu", "--exactness": exactness != "usual"}
    _fit(kind, given)
    _on_threads(threads)
    with waiting("Starting ..."):
        from anyorder.measure.verify.laws import Effort
    if kind == SERVER:
        pair = _served(what, model, plain, asked)
    elif kind == HUGGING:
        pair = _hugging(model, assistant, asked, precision, chat)
    elif kind == LLAMACPP:
        pair = _llamacpp(model, asked, precision, chat)
    else:
        where: dict[str, Any] = {"precision": precision, "device": device, "threads": None}
        decoder = decoder_of(what, **where)
        pair = _ours(decoder, loaded(model, **where, head=head, exactness=exactness), chat)
    drawn = draws if draws is not None else 10 if kind == SERVER else 100
    if not _holds(pair, texts, Effort(max_new_tokens, drawn, temperature, seed)):
        raise typer.Exit(1)


def _holds(pair: "Pair", texts: tuple[str, ...], effort: "Effort") -> bool:
    """Whether all holds; each finding is printed when it is known."""
    from anyorder.measure.verify.laws import examine

    failed = False
    with waiting(f"Examining {pair[0].name} ..."):
        for finding in examine(*pair, texts, effort):
            out().print(line(finding), highlight=False, markup=False, soft_wrap=True)
            failed |= finding.holds is False
    return not failed


def _kind(what: str) -> str:
    """Of what is to be examined."""
    if what.startswith(("http://", "https://")):
        return SERVER
    return what if what in (HUGGING, LLAMACPP) else OURS


def _fit(kind: str, given: dict[str, Any]) -> None:
    """Raises ValueError for options that are given, and are not for this kind."""
    for option, value in given.items():
        kinds, whom = FOR[option]
        if value and kind not in kinds:
            raise ValueError(f"{option} is for {whom}")


def line(finding: "Finding") -> str:
    """
    >>> from anyorder.measure.verify.subject import Finding
    >>> line(Finding(1, True, "5 of 5 greedy texts are the same"))
    'law 1  holds        5 of 5 greedy texts are the same'
    >>> line(Finding(None, False, "Mine failed, and the text goes on left to right: KeyError: 3"))
    'notes  FAILED       Mine failed, and the text goes on left to right: KeyError: 3'
    """
    if finding.law is None:
        return f"notes  {NOTED[finding.holds]:<11}  {plain(finding.sentence)}"
    return f"law {finding.law}  {WORDS[finding.holds]:<11}  {finding.sentence}"


def options(given: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE as JSON where it is JSON, else as text.

    >>> options(["top_k=0", "name=a b"])
    {'top_k': 0, 'name': 'a b'}
    """
    found: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"--with takes NAME=VALUE, not {word!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _prompts(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return OWN
    from anyorder.cli.prompts import read

    lines, broken = read(path)
    for sentence in broken:
        complain(sentence)
    return tuple(each.prompt for each in lines)


Pair = tuple["Subject", "Reference"]


def _on_threads(threads: int | None) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)


def _ours(decoder: "Decoder", lm: "Writer", chat: bool | None) -> Pair:
    from anyorder.decode.left_to_right.plain import LeftToRight
    from anyorder.measure.verify.ours import Ours

    return Ours(lm, decoder, chat), Ours(lm, LeftToRight(), chat)


def _hugging(
    model: str, assistant: str | None, asked: dict[str, Any], precision: Any, chat: bool | None
) -> Pair:
    from anyorder.measure.verify.hugging import Generation
    from anyorder.models.hugging.network import opened

    with waiting(f"Loading {model} ..."):
        net, units = opened(model, precision)
        if assistant is not None:
            drafts, reads = opened(assistant, precision)
            asked["assistant_model"] = drafts
            if _vocabulary(drafts) != _vocabulary(net):  # how transformers tells tokenizers apart
                asked |= {"tokenizer": units.tokenizer, "assistant_tokenizer": reads.tokenizer}
    chatty = units.chats(chat, model)
    return Generation(net, units, asked, chatty), Generation(net, units, chat=chatty)


def _vocabulary(net: Any) -> int:
    return net.config.get_text_config().vocab_size


def _llamacpp(model: str, asked: dict[str, Any], precision: str, chat: bool | None) -> Pair:
    from anyorder.measure.verify.llamacpp import pair
    from anyorder.models.files.fetch import MODELS, fetch

    if precision not in ("auto", "own"):
        raise ValueError("--precision is for others: llama.cpp computes as the file is packed")
    path = fetch(model) if model in MODELS else Path(model).expanduser()
    with waiting(f"Loading {model} ..."):
        return pair(path, asked, chat)


def _served(url: str, model: str, plain: str | None, asked: dict[str, Any]) -> Pair:
    from anyorder.measure.verify.endpoint import Endpoint, TokenByToken

    key = os.environ.get("OPENAI_API_KEY", "")
    served = Endpoint(url, model, asked, key)
    if plain:
        return served, TokenByToken(Endpoint(plain, model, asked, key), at_once=True)
    return served, TokenByToken(served)
