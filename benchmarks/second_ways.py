"""Two claims that failed, tried in other ways: does pre-training help a graph, and a guided model?

    python -m benchmarks.second_ways                  # two hours for each seed, on one thread
    python -m benchmarks.second_ways --seeds 0 1      # what is there is not made again

`predat`: a graph that filled gaps first learnt to leap to their ends. So: longer gaps, and links or
a whole decoder that are drawn anew before the fine-tuning. `semantic-guided-alignment-denoising`:
prompts around a frozen masked language model wrote nothing. So: all weights are trained, and a
language model that was trained longer. Short sentences, few steps, the same for all that are
compared; each model begins with random weights, or with those of another one that is trained here.
The result, `results/second-ways.json`, grows with every model; a run that was stopped goes on.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from anyorder.cli import screen
from anyorder.corrupt.glancing import Glancing
from anyorder.corrupt.spans import Spans
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.joint import Joint
from anyorder.data.tasks import Task
from anyorder.data.translate import Translate
from anyorder.folders import cache_dir
from anyorder.measure.machine import commit, machine, versions
from anyorder.measure.results import write_json
from anyorder.measure.translation import translate
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.parallel.semantic_guided import SemanticGuided
from anyorder.models.translator import Translator, is_ours, opened
from anyorder.nets.layers import Width
from anyorder.objectives.infilling import Infilling
from anyorder.systems.experiments.school import NARROW
from anyorder.train.fit import fit
from anyorder.train.paradigm import Paradigm
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine
from benchmarks.hire import ROOT

TASK: Final = Joint(Translate("de", longest=12))
STEPS: Final = 600
LONG_GAPS: Final = Infilling(
    Spans(share=0.35, most=6, shortest=6, apart=4), glancing=Glancing(0.2, 0.2)
)


@dataclass(frozen=True)
class Training:
    """A model of `paradigm`, trained for `STEPS` steps, `times` over; `after`: the name of the one
    whose weights it begins with, which `changed` may change before.
    """

    paradigm: Paradigm
    after: str | None = None
    changed: Callable[[Translator, Paradigm], Translator] | None = None
    times: int = 1
    system: str | None = None  # whose claim it is about; None: it only lends its weights


LINKS: Final = ("query", "key", "gate")


def new_links(before: Translator, paradigm: Paradigm) -> Translator:
    """Its weights, but for what says where a path goes: that is drawn anew."""
    return _with_new(before, paradigm, LINKS)


def new_decoder(before: Translator, paradigm: Paradigm) -> Translator:
    """Its embeddings and its encoder; all that comes behind is drawn anew."""
    return _with_new(before, paradigm, (*LINKS, "split", "decoder"))


def _with_new(before: Translator, paradigm: Paradigm, parts: Sequence[str]) -> Translator:
    drawn = _drawn(before, paradigm).net.state_dict()
    own = {name: x for name, x in drawn.items() if name.split(".")[0] in parts}
    before.net.load_state_dict({**before.net.state_dict(), **own})
    return before


def all_learnt(before: Translator, paradigm: Paradigm) -> Translator:
    """A guided model with the weights of a masked language model, which are trained, too."""
    found = _drawn(before, paradigm)
    assert isinstance(found.net, SemanticGuided)
    assert isinstance(before.net, MaskedLM)
    found.net.adopt(before.net)
    return found  # whoever begins with it has weights of the same kind, and none is frozen


def _drawn(before: Translator, paradigm: Paradigm) -> Translator:
    """Random weights, with the units of `before`."""
    vocabs = {
        "source_vocab": before.source_units.vocab_size,
        "target_vocab": before.units.vocab_size,
    }
    return replace(before, net=paradigm.net(**vocabs), suits=paradigm.decoder, fast=False)


def trainings() -> dict[str, Training]:
    """All of them, in the order in which they are made: whoever lends comes first."""
    every = paradigms()
    long_gaps = replace(every["dag-infilling"], objective=LONG_GAPS)
    graph, guided, texts = every["dag-glancing"], every["semantic-guided"], every["masked-lm"]
    of_8, of_47 = {"system": "predat"}, {"system": "semantic-guided-alignment-denoising"}
    return {
        "texts": Training(texts),
        "ctc after texts": Training(every["ctc"], "texts", **of_47),
        "guided, texts frozen": Training(guided, "texts", **of_47),
        "guided after texts": Training(guided, "texts", all_learnt, **of_47),
        "graph": Training(graph, **of_8),
        "long gaps": Training(long_gaps),
        "graph after long gaps": Training(graph, "long gaps", **of_8),
        "new decoder after long gaps": Training(graph, "long gaps", new_decoder, **of_8),
        "short gaps": Training(every["dag-infilling"]),
        "graph after short gaps": Training(graph, "short gaps", **of_8),
        "new links after long gaps": Training(graph, "long gaps", new_links, **of_8),
        "guided": Training(guided, **of_47),
        "more texts": Training(texts, times=4),
        "guided, more texts frozen": Training(guided, "more texts", **of_47),
        "new links after short gaps": Training(graph, "short gaps", new_links, **of_8),
    }


@dataclass(frozen=True)
class Bench:
    """Where models of a seed are, and how they are trained."""

    task: Task
    width: Width
    steps: int
    folder: Path
    seed: int

    def translator(self, name: str) -> Translator:
        """The model of this name, trained if it was not before, after those that it begins with."""
        folder = self._folder(name)
        if is_ours(folder):
            return opened(folder)
        asked = trainings()[name]
        paradigm = replace(asked.paradigm, width=self.width)
        begin_from = self._begun(asked, paradigm, folder) if asked.after else None
        recipe = self._recipe(asked.times)
        screen.out().print(f"seed {self.seed}: {name}", markup=False)
        fit(self.task, paradigm, recipe, folder, begin_from=begin_from)
        return opened(folder)

    def measured(self, name: str) -> dict[str, Any]:
        """What it writes of the test pairs, and how likely it finds those that are held out."""
        translator, examples = self.translator(name), self.task.splits().test
        texts = translate(translator, [example.source for example in examples])
        log = (self._folder(name) / "training" / "log.jsonl").read_text(encoding="utf-8")
        facts = {"nats": json.loads(log.splitlines()[-1])["held_out"], **translator.trained}
        return {**self.task.scores(texts, examples), **facts}

    def _begun(self, asked: Training, paradigm: Paradigm, folder: Path) -> Path:
        """The folder with the first weights."""
        assert asked.after is not None, "asked for where there is one"
        before = self.translator(asked.after)
        if asked.changed is None:
            return self._folder(asked.after)
        first = folder.with_name(folder.name + ".first")
        if not is_ours(first):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                asked.changed(before, paradigm).save(first)
        return first

    def _recipe(self, times: int) -> Recipe:
        schedule = Cosine(peak=4e-3, warmup=min(100, self.steps))
        return Recipe(
            steps=self.steps * times,
            cells=1024,
            schedule=schedule,
            check_every=max(self.steps // 8, 1),
            seed=self.seed,
        )

    def _folder(self, name: str) -> Path:
        return self.folder / f"seed-{self.seed}" / name.replace(",", "").replace(" ", "-")


def rows_of(found: dict[str, dict[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each model, with one value a seed, where it has been measured."""
    rows: list[dict[str, Any]] = []
    for name, asked in trainings().items():
        if by_seed := found.get(name):
            numbers = {
                key: [by_seed[seed][key] for seed in sorted(by_seed)]
                for key in next(iter(by_seed.values()))
                if key not in ("steps", "device")
            }
            facts = {"system": asked.system, "model": name, "after": asked.after}
            rows.append({**facts, "seeds": sorted(by_seed), "metric": numbers})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.second_ways", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=tuple(trainings()), help="These models.")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="Tiny models of a tiny task.")
    parser.add_argument("--folder", type=Path, default=cache_dir() / "trained" / "second-ways")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "second-ways.json")
    asked = parser.parse_args(argv)
    torch.set_num_threads(asked.threads)
    task = Joint(CopyOrReverse(length=3, alphabet=5, pairs=50)) if asked.quick else TASK
    width = Width(channels=16, heads=2, middle=32) if asked.quick else NARROW
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for seed in asked.seeds:
        bench = Bench(task, width, asked.steps, asked.folder, seed)
        for name in asked.only or [name for name, each in trainings().items() if each.system]:
            found.setdefault(name, {})[seed] = bench.measured(name)
            facts = {"commit": commit(), "versions": versions(), "machine": machine()}
            settings = {"task": repr(task), "steps": asked.steps, "recipe": repr(bench._recipe(1))}
            write_json({**facts, **settings, "rows": rows_of(found)}, asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
