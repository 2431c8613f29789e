"""Speeds are measured of all translators in turns, and of what they read alike."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.measure import translation
from anyorder.measure.translation import Reading, speeds, translate
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.systems.experiments.school import TINY, School, Way

SOURCES = ["abc", "ab", "cab", "bcaab", "a"]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Translator]:
    folder: Path = tmp_path_factory.mktemp("school")
    task = CopyOrReverse(length=3, alphabet=5, pairs=50)
    school = School(task, Width(channels=16, heads=2, middle=32), TINY, folder, None)
    return {name: school.translator(Way(name)) for name in ("ctc", "deep-shallow")}


def test_every_translator_meets_every_source_in_turns(
    readers: dict[str, Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[str, tuple[str, ...]]] = []
    plain = translation._run  # pyright: ignore[reportPrivateUsage]

    def watched(translator: Translator, decoder: object, sources: list[str], most: int) -> object:
        met.append((translator.kind, tuple(sources)))
        return plain(translator, decoder, sources, most)  # type: ignore[arg-type]

    monkeypatch.setattr(translation, "_run", watched)
    pair = {"ctc": Reading(readers["ctc"], "ctc-greedy"), "ar": Reading(readers["deep-shallow"])}
    found = speeds(pair, SOURCES, timed=3, batches=(2, 64), max_new_tokens=8)
    order = [kind for kind, _ in met]
    assert order[:6] == ["ctc", "seq2seq", "seq2seq", "ctc", "ctc", "seq2seq"]
    for kind in ("ctc", "seq2seq"):
        counts = Counter(source for each, batch in met if each == kind for source in batch)
        # alone, the first one twice; then batches of 2 and of 5 in three passes, after a first one
        assert counts == {"abc": 2 + 7, "ab": 1 + 8, "cab": 1 + 7, "bcaab": 7, "a": 8}
    assert found["ctc"].calls == 1.0 < found["ar"].calls <= 9
    assert found["ctc"].batch in (2, 5)
    assert found["ctc"].cells == 8.0, "three for each letter"
    assert all(speed.latency > 0 < speed.throughput for speed in found.values())
    assert all(speed.latency_spread >= 0 <= speed.throughput_spread for speed in found.values())


def test_nothing_to_read_is_told(readers: dict[str, Translator]) -> None:
    with pytest.raises(ValueError, match="read none of the sources"):
        speeds({"ctc": Reading(readers["ctc"])}, ["", "x" * 5000])


def test_what_does_not_end_is_no_whole_text(tmp_path: Path) -> None:
    task = CopyOrReverse(length=3, alphabet=5, pairs=50)
    width = Width(channels=16, heads=2, middle=32)
    model = School(task, width, replace(TINY, steps=80), tmp_path, None).translator(
        Way("deep-shallow")
    )
    sources = [example.source for example in task.splits().train]
    cut = translate(model, sources, max_new_tokens=3)
    whole = translate(model, sources, max_new_tokens=3, whole=True)
    ended = [len(model.units.encode(text)) < 3 for text in cut]  # before there was no room for it
    assert whole == [text if end else "" for text, end in zip(cut, ended, strict=True)]
    assert any(cut)
    assert not all(ended)
    long = translate(model, sources, max_new_tokens=20, whole=True)
    assert sum(map(bool, long)) > sum(map(bool, whole))
