"""Claims of systems that failed, or were asked elsewhere, tried in other ways, over their seeds.

    python -m benchmarks.other_ways set-block-decoding       # two hours on two cores, most of it
    python -m benchmarks.other_ways tandem-transformers      # training
    python -m benchmarks.other_ways pard
    python -m benchmarks.other_ways pard-training            # some minutes
    python -m benchmarks.other_ways aggressive-decoding      # an hour
    python -m benchmarks.other_ways opt-tree                 # an hour, nearly all of it training
    python -m benchmarks.other_ways grouped-speculative      # an hour and a half

`set-block-decoding`: blocks were written badly. Is it the order, the surest cell first, or the
training? So: the leftmost first, and three times the tuning. `tandem-transformers`: what the large
model knows helps the next cell alone. So: a training with blocks of two, as the paper has it, and
three times the tuning. `pard`: what masks guess is seldom right. So: nothing is dropped while it
learns, and three times the tuning; and what a step of its training costs, with and without
dropping (`pard-training`). `aggressive-decoding`: a language model that is told to correct spelling
leaves its input early. So: the paper's own setting, a translator that edits, here verses
of the King James Version into modern English, which copies from its source. `opt-tree`: the fixed
tree that it is held against was made for odds that were counted elsewhere. So: the odds are
counted, of these very models, and the tree is made for them. `grouped-speculative`: its one
distance changes next to nothing, for hardly any neighbour of a guess is so near. So: a curve of
distances, up to one within which all are, for groups that look at probabilities, too, and for those
of the embedding alone. Rows that the system's own result has, too, are measured again beside them.
The result is `results/other-ways-<slug>.json`; a run that was stopped goes on. For claims about
parallel translators see `benchmarks.second_ways`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from anyorder.cli import screen
from anyorder.data.modernise import Modernise
from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.draft_tree import FixedTree, OptTree
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.measure.machine import commit, machine, versions
from anyorder.measure.results import write_json
from anyorder.systems.bench import QUICK_SEEDS, Bench
from anyorder.systems.draft import opt_tree, pard, set_block_decoding, tandem_transformers
from anyorder.systems.experiments.decoders import DraftedAtOnce
from anyorder.systems.experiments.groups import ByGroups, Sampled
from anyorder.systems.experiments.lessons import BASELINE, DEEP, EARLY, MIDDLE
from anyorder.systems.experiments.next_token import Asked, NextToken
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.ranks import RanksOfPair
from anyorder.systems.experiments.school import TUNING, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.training_time import TrainingTime
from anyorder.systems.reproduce import Kept, fingerprint, gathered, named, run
from anyorder.systems.system import Experiment
from anyorder.systems.vision.grouped_speculative import ALL
from benchmarks.hire import ROOT

TASK: Final = Translate("de")
LONGER: Final = replace(TUNING, steps=3 * TUNING.steps, check_every=3 * TUNING.check_every)

SET_BLOCK: Final = set_block_decoding.TUNED
SET_BLOCK_LONGER: Final = replace(SET_BLOCK, recipe=LONGER)
TANDEM: Final = tandem_transformers.TANDEM
TANDEM_TWOS: Final = replace(TANDEM, paradigm="tandem-twos")
TANDEM_LONGER: Final = replace(TANDEM, recipe=LONGER)

# Squared, between embeddings of SmolLM2: within the first hardly any token lies that is next to a
# guess by probability, within the last all do.
DISTANCES: Final = (4.0, 7.0, 8.5, 10.0, 13.0, 60.0)

WAYS: Final[dict[str, tuple[Experiment, ...]]] = {
    "set-block-decoding": (
        Trained(
            TASK,
            {
                "set-block-decoding": read(SET_BLOCK, "set-block:block=8,gamma=0.5"),
                "leftmost first": read(SET_BLOCK, "set-block:block=8,gamma=0.5,leftmost=true"),
                "one cell a call": read(SET_BLOCK, "set-block:block=8,gamma=0"),
                "one cell a call, leftmost": read(
                    SET_BLOCK, "set-block:block=8,gamma=0,leftmost=true"
                ),
                "longer": read(SET_BLOCK_LONGER, "set-block:block=8,gamma=0.5"),
                "longer, leftmost first": read(
                    SET_BLOCK_LONGER, "set-block:block=8,gamma=0.5,leftmost=true"
                ),
                "left to right": read(SET_BLOCK, "left-to-right"),
            },
            timed=128,
        ),
    ),
    "tandem-transformers": (
        Trained(
            TASK,
            {
                "tandem-transformers": read(TANDEM, "tandem-draft:width=4"),
                "twos": read(TANDEM_TWOS, "tandem-draft:width=4"),
                "longer": read(TANDEM_LONGER, "tandem-draft:width=4"),
                "left to right": read(TANDEM, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
        NextToken(
            TASK,
            {
                f"{name}, block of {block}": Asked(way, block)
                for name, way in {
                    "tandem-transformers": TANDEM,
                    "twos": TANDEM_TWOS,
                    "longer": TANDEM_LONGER,
                }.items()
                for block in (1, 2, 4, 8)
            }
            | {"small alone": Asked(tandem_transformers.ALONE)},
        ),
    ),
    "aggressive-decoding": (
        Trained(
            Modernise(),
            {
                "edit, copied": read(DEEP, "aggressive-decoding"),
                "edit, eight copied": read(DEEP, "aggressive-decoding:width=8"),
                "edit, prompt copy": read(DEEP, "prompt-copy"),
                "left to right": read(DEEP, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    "pard": (
        Trained(
            TASK,
            {
                "pard": read(DEEP, DraftedAtOnce(pard.PARD, width=4)),
                "two guesses": read(DEEP, DraftedAtOnce(pard.PARD, width=2)),
                "nothing dropped": read(DEEP, DraftedAtOnce(pard.WHOLE, width=4)),
                "longer": read(DEEP, DraftedAtOnce(replace(pard.PARD, recipe=LONGER), width=4)),
                "left to right": read(DEEP, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
    ),
    "pard-training": (
        TrainingTime(
            TASK,
            {"pard": pard.PARD, "nothing dropped": pard.WHOLE, "left to right": BASELINE},
        ),
    ),
    "opt-tree": (
        RanksOfPair(
            row="draft model",
            pair=DraftPair(
                task=TASK,
                target=MIDDLE,
                draft=EARLY,
                temperature=0.0,
                decoders={
                    "opt-tree": partial(OptTree, size=16, threshold=0.0),
                    "opt-tree, 8 cells": partial(OptTree, size=8, threshold=0.0),
                    "fixed tree": partial(FixedTree, size=16, rank_odds=opt_tree.RANK_ODDS),
                    "fixed tree, 8 cells": partial(FixedTree, size=8, rank_odds=opt_tree.RANK_ODDS),
                },
            ),
            made={
                "fixed tree, as counted": partial(FixedTree, size=16),
                "fixed tree, 8 cells, as counted": partial(FixedTree, size=8),
            },
        ),
    ),
    "grouped-speculative": (
        Sampled(
            kinds=("story", "question", "summary"),
            decoders={
                "text, exact": partial(Speculative, width=8),
                "text, gap 0.15": ByGroups(width=8),
            }
            | {f"text, distance {x:g}": ByGroups(width=8, distance=x) for x in DISTANCES}
            | {
                f"text, distance {x:g} alone": ByGroups(width=8, gap=1.0, reach=ALL, distance=x)
                for x in DISTANCES
            },
        ),
    ),
}


def tried(slug: str, bench: Bench, out: Path) -> None:
    """Measure a system's other ways, and write what came of them into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"other-ways-{slug}.json"
    kept = Kept(path.with_suffix(".partial.json"), fingerprint(WAYS[slug], bench))
    if kept.stale:
        screen.remark(f"{kept.path} is of other code or another recipe: all is measured anew")
    done = run(WAYS[slug], bench, kept, said)
    facts = {"slug": slug, "commit": commit(), "versions": versions(), "machine": machine()}
    seeds = [named(done, seed) for seed in range(bench.seeds)]
    rows = [asdict(row) for row in gathered(done, bench.seeds)]
    write_json({**facts, "seeds": seeds, "rows": rows}, path)
    kept.forget()


def said(part: str, done: int, of: int) -> None:
    """Before each part, and at the end."""
    screen.out().print(f"{done} of {of} {part}", markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.other_ways", description=__doc__)
    parser.add_argument("slug", choices=tuple(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="Tiny models of a tiny task.")
    parser.add_argument("--out", type=Path, help="The folder: results, or a temporary one.")
    asked = parser.parse_args(argv)
    # a quick run is a trial: what it finds is no result
    folder = Path(gettempdir()) / "anyorder-quick" if asked.quick else ROOT / "results"
    seeds = min(asked.seeds, QUICK_SEEDS) if asked.quick else asked.seeds
    try:
        if seeds < 1:
            raise ValueError(f"{seeds} seeds measure nothing; take 1 or more")
        tried(asked.slug, Bench(seeds=seeds, quick=asked.quick), asked.out or folder)
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
