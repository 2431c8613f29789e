"""From a task to a translator: units, rows, network, training.

    translator = fit(task("pronounce"), paradigms()["ctc"], Recipe(), Path("my-model"))

Everything is written into the folder, which `anyorder.load` opens; a run that was stopped goes on
with the same call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anyorder.data.joint import joint
from anyorder.data.mixtures import own_pairs
from anyorder.data.pairs import Example, Splits
from anyorder.data.tasks import Task
from anyorder.models.translator import Translator, is_ours
from anyorder.nets.device import CPU, called
from anyorder.objectives.batch import LearnsFrequent, MayFreeze, Objective, ReadsWhatItWrites
from anyorder.objectives.infilling import Infilling
from anyorder.train.batches import Rows
from anyorder.train.earlier import UNITS, Earlier
from anyorder.train.fertilities import LearnsFertilities, with_fertilities
from anyorder.train.job import digest, keep_job
from anyorder.train.lexicon import LearnsWords, with_words
from anyorder.train.loop import OnStep, Trained, train
from anyorder.train.paradigm import Paradigm
from anyorder.train.plot import plot
from anyorder.train.recipe import Recipe
from anyorder.units.text import TextUnits
from anyorder.units.training import load_units, save_units

if TYPE_CHECKING:
    from anyorder.train.pretrained import Pretrained


def fit(
    task: Task,
    paradigm: Paradigm,
    recipe: Recipe,
    folder: Path,
    *,
    begin_from: Path | None = None,
    device: torch.device = CPU,
    on_step: OnStep | None = None,
    on_remark: Callable[[str], None] | None = None,
) -> Translator:
    """Train on a task's pairs and write the model into `folder`.

    `begin_from`: the folder of an earlier model whose weights it begins with, and whose units it
    has: one of the same kind and sizes, a plain autoregressive one for what grows from it (heads,
    masks, fewer layers), or a masked language model, one from Hugging Face included. Raises
    ValueError as `train` does, for an earlier model that does not fit, and where the folder holds a
    run of another task, paradigm or recipe.
    """
    earlier = _earlier(paradigm, begin_from)
    one = isinstance(paradigm.objective, ReadsWhatItWrites)
    learnt = f"gaps in {task.name}" if isinstance(paradigm.objective, Infilling) else task.name
    task = joint(task) if one else task
    splits = task.splits()
    begun_now = not (folder / "training").exists()
    folder.mkdir(parents=True, exist_ok=True)
    job = [task.name, digest(splits), repr(paradigm), repr(recipe)]
    keep_job(folder / "training" / "job.json", job + ([earlier.mark] if earlier else []))
    if earlier:
        earlier.lend_units(folder)
    source_units, units = _units(task, splits.train, folder, one=one)
    vocabs = {"source_vocab": source_units.vocab_size, "target_vocab": units.vocab_size}
    with torch.random.fork_rng(devices=[]), refused(folder, begun_now):
        torch.manual_seed(recipe.seed)
        net = earlier.begun(paradigm, source_units, units) if earlier else paradigm.net(**vocabs)
    del earlier  # a large one has no need to be there twice
    translator = Translator(
        net, source_units, units, folder.name, units.eos_ids, suits=paradigm.decoder, learnt=learnt
    )
    prepared = _prepared(paradigm.objective, task, splits, translator, on_remark)
    trained = train(net, *prepared, recipe, folder / "training", device=device, on_step=on_step)
    facts = {"steps": trained.steps, "seconds": round(trained.seconds), "device": called(device)}
    translator = replace(translator, trained=facts)
    translator.save(folder)
    plot(folder / "training")
    if on_remark:
        _tell(trained, on_remark)
    return translator


@contextmanager
def refused(folder: Path, begun_now: bool) -> Iterator[None]:
    """What can't begin leaves nothing behind that would be in the way of what can."""
    try:
        yield
    except ValueError:
        if begun_now:
            for left in ("training/job.json", *UNITS):
                (folder / left).unlink(missing_ok=True)
            (folder / "training").rmdir()
        raise


def _earlier(paradigm: Paradigm, begin_from: Path | None) -> "Earlier | Pretrained | None":
    """What the training begins with. Raises ValueError where it can't begin with nothing."""
    objective = paradigm.objective
    if begin_from and not is_ours(begin_from) and (begin_from / "config.json").is_file():
        from anyorder.train.pretrained import Pretrained  # seconds

        return Pretrained(begin_from, paradigm)
    if begin_from:
        return Earlier(begin_from)
    if isinstance(objective, MayFreeze) and objective.frozen:
        raise ValueError(
            "this paradigm trains heads alone, or a small model, for one that must be there: name "
            "the folder of an autoregressive one of these sizes (`deep-shallow`, `deep`) with "
            "--begin-from (begin_from in Python)"
        )
    return None


def _prepared(
    objective: Objective,
    task: Task,
    splits: Splits,
    translator: Translator,
    on_remark: Callable[[str], None] | None,
) -> tuple[Objective, Rows, Rows]:
    """The pairs to learn and to hold out, with what the objective asks for beside them."""
    units = (translator.source_units, translator.units)
    rows, held_out = (
        rows_of(part, *units, longest=translator.longest, on_remark=on_remark)
        for part in (splits.train, splits.valid)
    )
    if isinstance(objective, LearnsFrequent):
        objective.learn_frequent(translator.net, rows.targets)
    if isinstance(objective, LearnsFertilities):
        rows, held_out = with_fertilities(objective.aligner, rows, held_out)
    if isinstance(objective, LearnsWords):
        raw = rows_of(own_pairs(task), *units, longest=translator.longest)
        sources = translator.source_units.vocab_size
        objective, rows = with_words(objective, raw, rows, sources=sources)
    return objective, rows, held_out


def rows_of(
    examples: Sequence[Example],
    source_units: TextUnits,
    units: TextUnits,
    *,
    longest: int,
    on_remark: Callable[[str], None] | None = None,
) -> Rows:
    """Every target of every example, as token ids. Pairs with a side that is empty or longer than
    `longest` tokens are left out, and told.
    """
    pairs = [
        (source_units.encode(example.source), units.encode(target))
        for example in examples
        for target in example.targets
    ]
    around = (source_units.around, units.around)
    fits = [
        pair
        for pair in pairs
        if all(none < len(side) <= longest for none, side in zip(around, pair, strict=True))
    ]
    left = len(pairs) - len(fits)
    if on_remark and left:
        on_remark(
            f"{left} of {len(pairs)} pairs {'is' if left == 1 else 'are'} left out: a side is "
            f"empty, or longer than {longest} tokens"
        )
    return Rows(tuple(source for source, _ in fits), tuple(target for _, target in fits))


def _tell(trained: Trained, on_remark: Callable[[str], None]) -> None:
    """How the training went."""
    why = "no better for too long, ended early" if trained.early else "all steps made"
    on_remark(
        f"{trained.steps} steps in {trained.seconds:.0f} s ({why}); held-out loss "
        f"{trained.held_out:.3f} nats a token"
    )
    if trained.left_out:
        on_remark(
            f"{trained.left_out:.2%} of the pairs were not learnt: their targets are longer "
            "than the model's canvas"
        )


def _units(
    task: Task, examples: Sequence[Example], folder: Path, *, one: bool
) -> tuple[TextUnits, TextUnits]:
    """The units of the folder, or new ones, kept there. Raises ValueError for those of an earlier
    model that has two vocabularies, where there must be one.
    """
    source, target = folder / "source.json", folder / "target.json"
    if not (source.is_file() and target.is_file()):
        made = task.units(examples)
        save_units(made[0], source)
        save_units(made[1], target)
    units = load_units(source), load_units(target)
    if one and units[0].tokenizer.get_vocab() != units[1].tokenizer.get_vocab():
        raise ValueError(
            "this paradigm reads and writes the same texts, and the model that it is to begin from "
            "has a vocabulary for each side: leave that model out"
        )
    return units
