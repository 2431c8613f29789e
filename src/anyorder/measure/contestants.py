"""Who takes part in a comparison: left to right, and all decoders that can write with this model.

chosen, left_out, failed = fitting(lm, prompt, [TokenRecycling(), PromptCopy()], 8, None)
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from anyorder.decode.catalogue import label
from anyorder.decode.generate import generate, meant
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import Decoder
from anyorder.models.writer import Writer


def named(prompts: str | Sequence[str] | Mapping[str, str]) -> Mapping[str, str]:
    """The prompts by their names: a number, for those that have none. A text alone is one prompt.

    >>> named("Once")
    {'prompt 1': 'Once'}
    """
    if isinstance(prompts, Mapping):
        return prompts
    many = [prompts] if isinstance(prompts, str) else prompts
    return {f"prompt {number}": prompt for number, prompt in enumerate(many, 1)}


def made(decoders: Decoder | str | Sequence[Decoder | str]) -> list[Decoder]:
    """Decoders of names; one alone is a list of it. Raises ValueError for what can't be one.

    >>> made("left-to-right")
    [LeftToRight()]
    """
    if isinstance(decoders, str | type) or not isinstance(decoders, Sequence):
        return [meant(decoders)]
    return [meant(each) for each in decoders]


def fitting(
    lm: Writer,
    prompt: str,
    decoders: Sequence[Decoder],
    max_new_tokens: int,
    chat: bool | None,
) -> tuple[dict[str, Decoder], dict[str, str], frozenset[str]]:
    """The decoders that can write after `prompt`, why the others can't, and who of them failed.

    They are tried: first calls set up kernels. Raises the last error if no more than the baseline
    is left of several, or not even that.
    """
    chosen = with_baseline(decoders)
    baseline, *others = chosen
    left_out: dict[str, str] = {}
    failed: set[str] = set()
    for name, decoder in chosen.items():
        try:
            generate(lm, prompt, decoder=decoder, max_new_tokens=max_new_tokens, chat=chat)
        except Exception as error:
            left_out[name] = why(error, "the first prompt")
            failed |= set() if isinstance(error, ValueError) else {name}
            if name == baseline:
                raise
            if len(left_out) == len(others):
                raise ValueError(f"{name}: {left_out[name]}") from error
    fit = {name: chosen[name] for name in chosen if name not in left_out}
    return fit, left_out, frozenset(failed)


def why(error: Exception, prompt: str) -> str:
    """What is said of a decoder that is left out."""
    if isinstance(error, ValueError):
        return str(error)
    return f"it failed at {prompt}: {type(error).__name__}: {error}"


def with_baseline(decoders: Sequence[Decoder]) -> dict[str, Decoder]:
    """Left to right and then the others, none twice; those of one label are numbered.

    >>> list(with_baseline([LeftToRight()]))
    ['left-to-right']
    """
    named: dict[str, Decoder] = {}
    for decoder in [LeftToRight(), *decoders]:
        if not any(_alike(decoder, other) for other in named.values()):
            name, number = label(decoder), 1
            while name in named:
                number += 1
                name = f"{label(decoder)} ({number})"
            named[name] = decoder
    return named


def _alike(one: Decoder, other: Decoder) -> bool:
    """The same choice; a model is like itself alone, since tensors can't be compared in passing."""
    pairs = [(getattr(one, f.name), getattr(other, f.name, None)) for f in fields(one)]  # type: ignore[arg-type]
    plain = (str, int, float, tuple)
    return type(one) is type(other) and all(
        a is b or (isinstance(a, plain) and a == b) for a, b in pairs
    )
