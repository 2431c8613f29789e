"""Models of a task on a page: a few test sources, and how each model writes each of them alone.

    groups = list(replayed(contestants(readers, notes, "pronounce"), examples, wishes))
    html = page("pronounce", groups, wishes, pairs=len(examples))

What was measured is one source at a time, the models in turns. The lattice of a parallel model is
computed afterwards, outside of what was timed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from anyorder.data.pairs import Example
from anyorder.decode.catalogue import parse
from anyorder.decode.generate import generate
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.decode.run import Decoder
from anyorder.decode.search.cascade import Cascade
from anyorder.decode.writing import Output
from anyorder.models.capability import missing
from anyorder.models.kinds import KINDS
from anyorder.models.left_to_right.markov import MarkovTransformer
from anyorder.models.load import settled
from anyorder.models.translator import Translator
from anyorder.show.lattices import with_lattice
from anyorder.show.page import Group, Run, compare_page
from anyorder.units.special import EOS

if TYPE_CHECKING:
    from anyorder.cli.compared import Wishes

Decoders = Mapping[str, Decoder]  # by what the command line calls them
SOURCES: Final = 6  # of a page
NAME: Final = 18  # characters of a source on its button


@dataclass(frozen=True)
class Contestant:
    """A model with one of its decoders: its name on the page, and a few words on how good it is."""

    name: str
    model: Translator
    decoder: Decoder
    note: str = ""


def decoders_of(model: Translator, wanted: Decoders | None = None) -> Decoders:
    """The decoders to measure: those that are `wanted` and that the model has the means for; else
    the one that suits the model, then those of its kind that fit it. Raises ValueError where no
    decoder that is wanted can serve it.

    What rewrites is left out where it does not suit, for such a model never learnt to; so are
    cascades that need more context than the model has.
    """
    if wanted:
        read = model.net.eval().read([[EOS]])
        fits = {name: each for name, each in wanted.items() if not missing(read, each.needs)}
        if not fits:
            raise ValueError(
                f"{model.name} can't be read with {' or '.join(wanted)}; what suits it: "
                f"{', '.join(KINDS[model.kind].decoders)}"
            )
        return fits
    names = dict.fromkeys((model.decoder, *KINDS[model.kind].decoders))
    every = {name: parse(name) for name in names}
    rewrites = isinstance(every[model.decoder], MaskPredict)
    return {
        name: each
        for name, each in every.items()
        if (rewrites or not isinstance(each, MaskPredict)) and not _too_deep(model, each)
    }


def _too_deep(model: Translator, decoder: Decoder) -> bool:
    """Whether a cascade needs more context than the model was trained with."""
    net = model.net
    return (
        isinstance(decoder, Cascade)
        and isinstance(net, MarkovTransformer)
        and decoder.order > net.sizes.order
    )


def contestants(
    readers: Sequence[tuple[Translator, Decoders]],
    notes: Mapping[tuple[int, str], str],
    task: str,
) -> list[Contestant]:
    """Each model with the first and the last of its decoders (see `decoders_of`): the one that
    suits it, and a beam, say. Models that write left to right come first: the others are measured
    against them.

    `notes` are by the model's place and the decoder.
    """
    found: list[Contestant] = []
    taken: set[str] = set()
    order = sorted(range(len(readers)), key=lambda i: readers[i][0].kind != "seq2seq")
    for i in order:
        model, decoders = readers[i]
        first, *_, last = (*decoders, *decoders)
        for decoder in dict.fromkeys((first, last)):
            name = f"{model.name.removeprefix(f'{task}-')} · {decoder}"
            while name in taken:  # folders of the same name
                name += "*"
            taken.add(name)
            note = notes.get((i, decoder), "")
            found.append(Contestant(name, model, decoders[decoder], note))
    return found


def middling(
    examples: Sequence[Example], models: Sequence[Translator], count: int = SOURCES
) -> list[Example]:
    """Up to `count` examples that all models read, of the middle half by length, evenly from all.

    >>> made = [Example("a" * n, ("b",), "") for n in range(1, 9)]
    >>> [len(example.source) for example in middling(made, [], 2)]
    [3, 5]
    """
    readable = [e for e in examples if all(model.reads(e.source) for model in models)]
    lengths = sorted(len(e.source) for e in readable)
    if not lengths:
        return []
    least, most = lengths[len(lengths) // 4], lengths[3 * (len(lengths) - 1) // 4]
    middle = [e for e in readable if least <= len(e.source) <= most]
    return middle[:: max(1, len(middle) // count)][:count]


def replayed(
    runners: Sequence[Contestant], examples: Sequence[Example], wishes: "Wishes"
) -> Iterator[Group]:
    """A group for each example: the median run of each contestant, by seconds."""
    for number, example in enumerate(examples):
        outs: dict[str, list[Output]] = {runner.name: [] for runner in runners}
        for repeat in range(wishes.repeats + (not number)):
            for runner in runners:
                out = _written(runner, example.source, wishes.max_new_tokens)
                if number or repeat:  # the first run of all sets things up
                    outs[runner.name].append(out)
        yield Group(
            name=_short(example.source),
            prompt="\n".join([example.source, "", *(f"Reference: {t}" for t in example.targets)]),
            runs=tuple(_run(runner, example.source, outs[runner.name]) for runner in runners),
        )


def _written(runner: Contestant, source: str, max_new_tokens: int) -> Output:
    return generate(
        runner.model, source, decoder=runner.decoder, max_new_tokens=max_new_tokens, seed=0
    )


def _run(runner: Contestant, source: str, outs: Sequence[Output]) -> Run:
    """The median run. A source counts against the seconds: texts of models differ in length."""
    median = sorted(outs, key=lambda out: out.cost.seconds)[(len(outs) - 1) // 2]
    trace = with_lattice(runner.model, [source], median.trace)
    return Run(decoder=runner.name, trace=trace, cost=median.cost, note=runner.note, work=1)


def _short(source: str) -> str:
    return source if len(source) <= NAME else source[: NAME - 1].rstrip() + "…"


def page(task: str, groups: Sequence[Group], wishes: "Wishes", *, pairs: int) -> str:
    """The page with these groups, and `pairs` that scores are of. Raises ValueError without any
    group.
    """
    first = groups[0].runs[0].decoder if groups else ""
    facts: dict[str, object] = {
        "task": task,
        "precision": settled(wishes.precision),
        "threads": torch.get_num_threads(),
        "test pairs": pairs,
        "sources shown": len(groups),
        "runs of each": wishes.repeats,
        "speed-up": f"time of {first} for the same sources, one at a time, over that of the row",
    }
    title = "One source, many ways to write its target"
    return compare_page(groups, facts, title=title, asked="source")
