"""What a drafter may do wrong, and a tree that is too large: the text goes on, and says so.

    draft, fault = guarded(lambda: decoder.draft(memory, canvas, sampler), rows, most, V)

A drafter that fails is asked no more: from there on all rows are written left to right. It was
never trusted: at temperature 0, and with guesses that are certain, an exact decoder's text does not
change; with guesses that were drawn, the distribution does not. Shapes: B rows, K drafted cells.
"""

import operator
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anyorder.decode.draft_verify.draft import Draft

FAILED: Final = "failed, and the text goes on left to right: "  # in the note of a fault
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory")  # of a RuntimeError


class Fault:
    """The memory of a drafter that failed."""


def declared(drafter: Any) -> tuple[int, str]:
    """The most cells that it ever drafts for a row, and why it can't be used ("" if it can)."""
    try:
        said = drafter.most_drafted
    except Exception as error:
        return 0, f"its most_drafted: {told(error)}"
    try:
        most = operator.index(said)
    except TypeError:
        most = -1
    if most < 0:
        return 0, f"its most_drafted is {said!r}, and must be a whole number, 0 or more"
    return most, ""


def begun(begin: Callable[[], Any]) -> tuple[Any, str]:
    """The drafter's memory, and why it can't be used ("" if it can).

    Raises ValueError as `begin` does: here as everywhere it tells the user what he asked for that
    can't be, such as a draft model that is none. Whatever else is raised is a fault.
    """
    try:
        return begin(), ""
    except ValueError:
        raise
    except Exception as error:  # as a draft may fail
        return None, told(error)


def guarded(
    ask: Callable[[], Draft | None], rows: int, most: int, V: int
) -> tuple[Draft | None, str]:
    """What the drafter says, and why it can't be used ("" if it can); `most`: guesses declared."""
    try:
        draft = ask()
        if draft is None or (isinstance(draft, Draft) and not draft.tokens_BK.shape[1]):
            return None, ""
        why = unsound(draft, rows, most, V)
    except Exception as error:  # a drafter may fail in any way, and is no reason to stop
        return None, told(error)
    return (None, why) if why else (draft, "")


def told(error: Exception) -> str:
    """An error as part of a sentence."""
    return f"{type(error).__name__}: {error}".split("\n")[0]


def unsound(draft: Any, rows: int, most: int, V: int) -> str:
    """Why this is no draft for so many rows; "" if it is one."""
    if not isinstance(draft, Draft):
        return f"it made a {type(draft).__name__} rather than a Draft"
    for name in ("tokens_BK", "parents_BK"):
        made = getattr(draft, name)
        if made.ndim != 2 or made.shape != (rows, draft.tokens_BK.shape[-1]):
            return f"its {name} are {tuple(made.shape)}, for {rows} rows"
        if made.dtype != torch.long or made.device.type != "cpu":
            return f"its {name} are {made.dtype} on {made.device}, and must be int64 on the CPU"
    tokens_BK, parents_BK = draft.tokens_BK.numpy(), draft.parents_BK.numpy()
    if parents_BK.shape[1] > most:
        return f"it made {parents_BK.shape[1]} guesses, and had declared {most} at the most"
    real_BK = parents_BK > -2
    if ((parents_BK >= np.arange(parents_BK.shape[1])) & real_BK).any():
        return "a guess must stand behind its parent"
    if not 0 <= draft.probes <= parents_BK.shape[1]:
        return f"it made {parents_BK.shape[1]} cells, and says that {draft.probes} are probes"
    if (((tokens_BK < 0) | (tokens_BK >= V)) & real_BK).any():
        return f"it guessed a token that the model, with {V} of them, does not have"
    if draft.drawn is not None:
        shares = draft.drawn.probs_BJWV.gather(3, draft.drawn.tokens_BJW[..., None])
        if not bool((shares > 0).all()):
            return "it drew from what is no distribution (NaN, or a token of no share)"
    return ""


def check_said(logits: Float[Tensor, "B ... V"], live_B: Bool[Tensor, " B"]) -> None:
    """Raises FloatingPointError where a live row's logits make no distribution: NaN, infinity, or
    no token that is possible. Whoever took the likeliest of them would guess at random for ever.
    """
    sound = logits.amax(-1).isfinite().flatten(1).all(1).cpu()
    if not bool((sound | ~live_B).all()):
        raise FloatingPointError("what it says is no distribution (NaN, or no token is possible)")


def shortened(draft: Draft, most: int) -> Draft:
    """The first `most` cells; chains that were drawn at random can't be cut, and stay."""
    beyond = draft.tokens_BK.shape[1] - most
    if beyond <= 0 or draft.drawn is not None:
        return draft
    return replace(
        draft,
        tokens_BK=draft.tokens_BK[:, :most],
        parents_BK=draft.parents_BK[:, :most],
        probes=max(0, draft.probes - beyond),
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether this is what torch raises when memory is short."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def warn(decoder: Any, what: str) -> str:
    """Say it once, and return the sentence."""
    sentence = f"{type(decoder).__name__} {what}"
    warnings.warn(sentence, RuntimeWarning, stacklevel=4)
    return sentence
