"""From a task to a translator: units, rows, network, training.

    translator = fit(task("pronounce"), paradigms()["ctc"], Recipe(), Path("my-model"))

Everything is written into the folder, which `anyorder.load` opens; a run that was stopped goes on
with the same call.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.models.translator import Translator
from anyorder.train.batches import Rows
from anyorder.train.earlier import Earlier
from anyorder.train.fertilities import LearnsFertilities, with_fertilities
from anyorder.train.loop import OnStep, Trained, train
from anyorder.train.paradigms import Paradigm
from anyorder.train.plot import plot
from anyorder.train.recipe import Recipe
from anyorder.units.text import TextUnits
from anyorder.units.training import load_units, save_units


def fit(
    task: Task,
    paradigm: Paradigm,
    recipe: Recipe,
    folder: Path,
    *,
    begin_from: Path | None = None,
    on_step: OnStep | None = None,
    on_remark: Callable[[str], None] | None = None,
) -> Translator:
    """Train on a task's pairs and write the model into `folder`.

    `begin_from`: the folder of an earlier model of the same kind and sizes, whose weights it begins
    with, and whose units it has. Raises ValueError as `train` does, for an earlier model that does
    not fit, and where the folder holds a run of another task, paradigm or recipe.
    """
    earlier = Earlier(begin_from) if begin_from else None
    folder.mkdir(parents=True, exist_ok=True)
    _same_job(folder / "training" / "job.json", task, paradigm, recipe, earlier)
    if earlier:
        earlier.lend_units(folder)
    splits = task.splits()
    source_units, units = _units(task, splits.train, folder)
    train_rows, held_out = (
        rows_of(part, source_units, units) for part in (splits.train, splits.valid)
    )
    if isinstance(paradigm.objective, LearnsFertilities):
        train_rows, held_out = with_fertilities(paradigm.objective.aligner, train_rows, held_out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = paradigm.net(source_vocab=source_units.vocab_size, target_vocab=units.vocab_size)
    if earlier:
        earlier.lend_weights(net)
    translator = Translator(net, source_units, units, folder.name, units.eos_ids)
    trained = train(
        net, paradigm.objective, train_rows, held_out, recipe, folder / "training", on_step=on_step
    )
    translator.save(folder)
    plot(folder / "training")
    if on_remark:
        _tell(trained, on_remark)
    return translator


def rows_of(examples: Sequence[Example], source_units: TextUnits, units: TextUnits) -> Rows:
    """Every target of every example, as token ids."""
    pairs = [(example.source, target) for example in examples for target in example.targets]
    sources = tuple(source_units.encode(source) for source, _ in pairs)
    return Rows(sources, tuple(units.encode(target) for _, target in pairs))


def _tell(trained: Trained, on_remark: Callable[[str], None]) -> None:
    """How the training went."""
    why = "no better for too long, ended early" if trained.early else "all steps made"
    on_remark(
        f"{trained.steps} steps in {trained.seconds:.0f} s ({why}); best held-out loss "
        f"{trained.held_out:.3f} nats a token"
    )
    if trained.left_out:
        on_remark(
            f"{trained.left_out:.2%} of the pairs were not learnt: their targets are longer "
            "than the model's canvas"
        )


def _units(task: Task, examples: Sequence[Example], folder: Path) -> tuple[TextUnits, TextUnits]:
    """The units of the folder, or new ones, kept there."""
    source, target = folder / "source.json", folder / "target.json"
    if not (source.is_file() and target.is_file()):
        made = task.units(examples)
        save_units(made[0], source)
        save_units(made[1], target)
    return load_units(source), load_units(target)


def _same_job(
    path: Path, task: Task, paradigm: Paradigm, recipe: Recipe, earlier: Earlier | None
) -> None:
    job = json.loads(json.dumps([task.name, repr(paradigm), asdict(recipe), repr(recipe)]))
    job += [earlier.mark] if earlier else []
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != job:
        raise ValueError(
            f"{path.parent.parent} holds a training of another task, model or recipe; "
            "name another folder, or remove it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(job) + "\n", encoding="utf-8")
