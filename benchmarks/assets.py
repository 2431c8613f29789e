"""Make the small models that come with the library, of the trainings that the results are of.

    python -m benchmarks.assets                    # all of them: `assets/NAME/`
    python -m benchmarks.assets pronounce-ctc

A model that `anyorder reproduce` has trained is taken from the cache folder, another one is trained
now (5 to 15 minutes on two cores). Weights are kept in float16, and scored as they are kept.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from anyorder.cli import screen
from anyorder.data.pronounce import Pronounce
from anyorder.data.tasks import Task
from anyorder.data.translate import Translate
from anyorder.measure.translation import translate
from anyorder.models.translator import opened
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT, TEACHER
from anyorder.systems.experiments.school import LAPTOP, NARROW, School, Way
from benchmarks.hire import ROOT

CMUDICT = "The CMU Pronouncing Dictionary, (C) Carnegie Mellon University, BSD 2-clause."
HELP = "The help pages of LibreOffice, out of Debian's packages, MPL-2.0."


@dataclass(frozen=True)
class Asset:
    """A model: what it is in a sentence, its task and way, and where its data are from."""

    what: str
    task: Task
    way: Way
    data: str
    trains: str  # the system whose measurement trains it


ASSETS = {
    "pronounce-ar": Asset(
        "Letters to phonemes, left to right: six encoder layers and one decoder layer.",
        Pronounce(),
        BASELINE,
        CMUDICT,
        "deep-shallow",
    ),
    "pronounce-ctc": Asset(
        "Letters to phonemes in one call: CTC with glancing, three and three layers.",
        Pronounce(),
        Way("ctc-glancing"),
        CMUDICT,
        "glancing-transformer",
    ),
    "pronounce-dag": Asset(
        "Letters to phonemes in one call: a directed acyclic graph, three and three layers.",
        Pronounce(),
        Way("dag-glancing"),
        CMUDICT,
        "predat",
    ),
    "translate-en-de-ar": Asset(
        "English to German, left to right: six encoder layers and one decoder layer.",
        Translate("de"),
        TEACHER,
        HELP,
        "ctc-nat",
    ),
    "translate-en-de-ctc": Asset(
        "English to German in one call: CTC, six encoder layers and one decoder layer, distilled.",
        Translate("de"),
        Way("ctc-deep-shallow", lessons=TAUGHT),
        HELP,
        "ctc-nat",
    ),
}
README = """# {name}

{what}

- Made by `python -m benchmarks.assets {name}`: seed 0 of `anyorder reproduce {trains}`.
- {weights:,} weights, kept in float16.
- On {pairs} held-out pairs, written by `{decoder}`: {scores}.
- Data: {data}
- Try it: `anyorder generate {example!r} --model {name}`, or `anyorder compare --task {task}`.
"""


def make(name: str, out: Path) -> None:
    """Write the folder of a model."""
    asset, folder = ASSETS[name], out / name
    school = School(asset.task, NARROW, LAPTOP, scratch=None, steps=None)
    replace(school.translator(asset.way), learnt=asset.task.name).save(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({key: x.half() for key, x in weights.items()}, folder / "model.safetensors")
    kept = opened(folder)
    examples = asset.task.splits().test
    texts = translate(kept, [example.source for example in examples])
    scores = asset.task.scores(texts, examples)
    text = README.format(
        name=name,
        what=asset.what,
        trains=asset.trains,
        weights=sum(x.numel() for x in kept.net.parameters()),
        pairs=f"{len(examples):,}",
        decoder=kept.decoder,
        scores=", ".join(f"{key.replace('_', ' ')} {x:.3g}" for key, x in scores.items()),
        data=asset.data,
        example=min((example.source for example in examples[:50]), key=len),
        task=asset.task.name,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    screen.remark(f"{name}: {folder}")


def main(words: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.assets", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ASSETS))
    parser.add_argument("--out", type=Path, default=ROOT / "assets")
    options = parser.parse_args(words)
    odd = sorted(set(options.names) - set(ASSETS))
    if odd:
        print(f"benchmarks.assets: there is no {odd[0]}; there is {', '.join(ASSETS)}")
        return 1
    for name in options.names or ASSETS:
        make(name, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
