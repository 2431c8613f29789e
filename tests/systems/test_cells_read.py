"""What trainings read, and draft models of a measurement."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.nets.layers import Width
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.ctc import CTC
from anyorder.objectives.masked_ahead import MaskedAhead
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.cells_read import CellsRead, cells_read
from anyorder.systems.experiments.decoders import Drafted, DraftedAtOnce, DraftedInBlocks
from anyorder.systems.experiments.school import TINY, School, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.train.batches import Rows

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)
WIDTH = Width(channels=16, heads=2, middle=32)
SMALL = Way("deep-shallow")
PARD, WHOLE = (Way(name, begins_with=SMALL) for name in ("pard", "pard-whole"))


def test_cells_are_those_of_the_batches_that_are_read() -> None:
    rows = Rows(((4,), (4,), (4,)), ((5,), (5, 6), (5, 6, 7)))
    alone = {"cells": 1, "seed": 0}  # no two pairs fit into a batch
    assert cells_read(CrossEntropy(), rows, steps=3, **alone) == 2 + 3 + 4
    assert cells_read(CrossEntropy(), rows, steps=6, **alone) == 2 * (2 + 3 + 4)
    whole = MaskedAhead(3, offsets=2, keep=1.0)
    assert cells_read(whole, rows, steps=3, **alone) == (2 + 1) + (3 + 2) + (4 + 3)
    together = {"cells": 12, "seed": 0}
    assert cells_read(CrossEntropy(), rows, steps=1, **together) == 3 * 4, "padding is read, too"
    with pytest.raises(ValueError, match="CTC does not read targets"):
        cells_read(CTC(), rows, steps=1, **alone)


def test_what_is_dropped_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    trainings = CellsRead(TASK, {"small": SMALL, "pard": PARD, "whole": WHOLE}, TINY, WIDTH)
    (part,) = trainings.parts(Bench(seeds=1))
    rows = part.run()
    cells = {name: numbers["training_cells"] for name, numbers in rows.items()}
    assert cells["small"] < cells["pard"] < cells["whole"]
    assert not (tmp_path / "trained").exists(), "no model is needed"


def test_draft_models_are_those_of_the_school(tmp_path: Path) -> None:
    """Who drafts changes nothing of the model that writes, nor where it is kept."""
    school = School(TASK, WIDTH, TINY, tmp_path, 4)
    target = Way("deep")
    once, serial = (replace(target, decoder=by) for by in (DraftedAtOnce(PARD, 7), Drafted(SMALL)))
    assert school.folder(once) == school.folder(serial) == school.folder(target)
    at_once, one_by_one = school.decoder(once), school.decoder(serial)
    assert isinstance(at_once, ParallelDraft)
    assert isinstance(one_by_one, Speculative)
    assert (at_once.width, one_by_one.width) == (7, 4)
    assert at_once.draft_model.name == school.folder(PARD).name
    assert one_by_one.draft_model.name == school.folder(SMALL).name


def test_a_drafter_of_blocks_is_strict_or_relaxed(tmp_path: Path) -> None:
    school = School(TASK, WIDTH, TINY, tmp_path, 4)
    filler = Way("block-draft", begins_with=SMALL)
    strict = school.decoder(Way("deep", DraftedInBlocks(filler, width=4)))
    assert isinstance(strict, BlockDraft)
    assert (strict.width, strict.draft_model.name) == (4, school.folder(filler).name)
    relaxed = school.decoder(Way("deep", DraftedInBlocks(filler, top=3, gap=1.0)))
    assert isinstance(relaxed, Lenient)
    assert isinstance(relaxed.by, BlockDraft)
    assert (relaxed.top, relaxed.gap, relaxed.by.width) == (3, 1.0, 8)


def test_every_row_has_an_acceptance_length(tmp_path: Path) -> None:
    ways = {"plain": SMALL, "drafted": replace(SMALL, decoder=Drafted(SMALL, width=2))}
    trained = Trained(TASK, ways, recipe=TINY, width=WIDTH, guesses=True)
    bench = Bench(quick=True)
    plain = trained.quality(bench, "plain", 0)["plain"]
    assert plain["acceptance_length"] == 1
    assert "accepted_1" not in plain
    drafted = trained.quality(bench, "drafted", 0)["drafted"]
    assert drafted["acceptance_length"] >= 1
