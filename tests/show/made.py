"""Traces made by hand: the texts of a draft-verify loop, with no model behind them.

trace = written(greedy, prompt=[5, 6], drafts=...)     a run over one row
spoken(text, skill=0.7)                                a run of realistic size, with words
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from anyorder.canvas import Canvas
from anyorder.meter import Call
from anyorder.trace import Step, Trace

Tree = tuple[list[int], list[int]]  # tokens, and parents among them (-1: the root)
Drafter = Callable[[int, list[int]], Tree]  # (tokens written so far, those to come) -> tree

NO_DRAFT: Tree = ([], [])


def write(canvas: Canvas, tokens: Sequence[int], *, logprob: float = -0.5) -> Canvas:
    """A row's next tokens, written at its frontier."""
    return canvas.write(
        canvas.frontier_B,
        torch.tensor([list(tokens)]),
        torch.tensor([len(tokens)]),
        torch.full((1, len(tokens)), logprob),
    )


def target(cells: list[int], parents: list[int] | None = None, *, seconds: float = 0.02) -> Call:
    """A call of the target over one row."""
    return Call("target", seconds, [cells], None if parents is None else [parents])


def written(prompt: list[int], text: list[int], drafter: Drafter, *, room: int = 0) -> Trace:
    """What a draft-verify loop records that writes `text` after `prompt`."""
    canvas = Canvas.of_prompts([prompt], new_cells=[len(text) + room])
    trace = Trace(canvas)
    done, calls = 1, [target(prompt, seconds=0.001 * len(prompt))]
    new = text[:1]
    while True:
        after = write(canvas, new)
        trace = trace.add(Step.between(canvas, after, calls, sum(c.seconds for c in calls)))
        canvas = after
        if done >= len(text):
            return trace
        root, rest = text[done - 1], text[done:]
        tokens, parents = drafter(done, rest)
        took = 0.02 + 0.0005 * len(tokens)
        calls = [target([root, *tokens], [-1, *(p + 1 for p in parents)], seconds=took)]
        new = rest[: len(agreeing(tokens, parents, rest)) + 1]
        done += len(new)


def agreeing(tokens: list[int], parents: list[int], text: list[int]) -> list[int]:
    """The longest path down a tree that says what `text` says; the first of equal siblings."""
    path: list[int] = []
    for word in text:
        at = path[-1] if path else -1
        below = [n for n, p in enumerate(parents) if p == at and tokens[n] == word]
        if not below:
            break
        path.append(below[0])
    return path


def chance_tree(size: int, skill: float, vocab: int, rng: random.Random) -> Drafter:
    """Drafts a tree of `size` cells whose main branch is right with chance `skill` a cell."""

    def draft(_done: int, rest: list[int]) -> Tree:
        tokens: list[int] = []
        parents: list[int] = []
        tips = [(-1, list(rest))]
        while len(tokens) < size and tips:
            parent, ahead = tips.pop(0)
            right = bool(ahead) and rng.random() < skill
            words = [ahead[0] if right else rng.randrange(vocab), rng.randrange(vocab)]
            for word in list(dict.fromkeys(words))[: rng.choice((1, 2, 2))]:
                tips.append((len(tokens), ahead[1:] if ahead and word == ahead[0] else []))
                tokens.append(word)
                parents.append(parent)
        return tokens[:size], parents[:size]

    return draft


def chain(size: int, skill: float, vocab: int, rng: random.Random) -> Drafter:
    """Drafts a chain of `size` cells, each right with chance `skill`."""

    def draft(_done: int, rest: list[int]) -> Tree:
        words = [w if rng.random() < skill else rng.randrange(vocab) for w in rest[:size]]
        return words, list(range(-1, len(words) - 1))

    return draft


def alone(_done: int, _rest: list[int]) -> Tree:
    """Drafts nothing: left to right."""
    return NO_DRAFT


def spoken(prompt: str, text: str, drafter_of: Callable[[int], Drafter], **facts: str) -> Trace:
    """A run over real words. `drafter_of(vocabulary size)` makes the drafter."""
    words = re.findall(r" ?\w+|\n| +|[^\w\s]", prompt + text)
    ids = {word: n for n, word in enumerate(dict.fromkeys(words))}
    cut = len(re.findall(r" ?\w+|\n| +|[^\w\s]", prompt))
    tokens = [ids[word] for word in words]
    trace = written(tokens[:cut], tokens[cut:], drafter_of(len(ids)))
    return replace(trace, pieces={n: word for word, n in ids.items()}, facts=dict(facts))
