"""Verses meet by chapter and number; what was built is kept, whole, with licences and origin."""

from pathlib import Path

import pytest

from anyorder.data import modernise
from anyorder.data.modernise import Modernise, matched
from anyorder.data.pairs import Example
from anyorder.data.sword import plain, verses_of
from tests.data.debian import package
from tests.data.sword import bible

MARKED = (
    '<div sID="gen4" type="x-p"/> <title type="x">A song<note>of old</note></title>'
    'And <w lemma="strong:H1">God</w><note placement="foot"><reference>1.4 </reference>or: a '
    'god</note><w>said</w> , <q who="x"/>“<w>Go</w>!”<q/>and\n he <w>we</w>nt—<w>out</w>.'
    '<l level="1"/>So<l eID="1"/>it was .<div eID="gen4" type="x-p"/>'
)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    old = [[f"Thou sawest {n} of {m}" for n in range(3)] for m in range(40)]
    new = [[f"You saw <w>{n}</w> of {m}" for n in range(3)] for m in range(40)]
    return (
        bible(
            folder / "old.deb", {"Gen": old, "Exod": [["And", "And", "Long " * 61]]}, testament="ot"
        ),
        bible(folder / "new.deb", {"Gen": new, "Exod": [["Then", "So", "Long"]]}, testament="ot"),
    )


def test_marks_notes_and_titles_are_no_part_of_a_verse() -> None:
    assert plain(MARKED) == "And God said, “Go!” and he went—out. So it was."


def test_verses_are_counted_from_the_heading_of_their_chapter(tmp_path: Path) -> None:
    """A verse that is missing has its number; what heads a book is none."""
    books = {"Matt": [["a", "", "c"], ["d"]], "3John": [["e", MARKED]]}
    assert verses_of(bible(tmp_path / "new.deb", books, testament="nt")) == {
        "Matt.1": {1: "a", 3: "c"},
        "Matt.2": {1: "d"},
        "3John.1": {1: "e", 2: plain(MARKED)},
    }


@pytest.mark.parametrize(
    "files",
    [
        {"usr/share/x.bzv": b"12345678", "usr/share/x.bzs": b"", "usr/share/x.bzz": b""},
        {"usr/share/x.bzv": b"\1" * 10, "usr/share/x.bzs": b"", "usr/share/x.bzz": b""},
        {"usr/share/x.bzv": b"1234567890"},
        {"usr/share/x.txt": b"Genesis"},
    ],
    ids=["cut off", "no block", "no files", "no text"],
)
def test_a_package_of_something_else_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text of the SWORD project"):
        verses_of(package(tmp_path / "odd.deb", files))


def test_missing_and_repeated_verses_are_left_out() -> None:
    old = {"Gen.1": {1: "And", 2: "But", 3: "And"}, "Gen.2": {1: "Thou"}}
    assert matched(old, {"Gen.1": {1: "And", 3: "Then"}, "Gen.2": {2: "x"}}) == [
        Example("And", ("And",), "Gen.1")
    ]
    with pytest.raises(ValueError, match="no verses in common"):
        matched(old, {"Matt.1": {1: "And"}})


def test_packages_of_ones_own_need_no_download(both, cache_dir) -> None:
    splits = Modernise(packages=both).splits()
    every = [*splits.train, *splits.valid, *splits.test]
    assert len(every) == 121, "one verse is too long, and one comes again"
    assert splits.train[0].targets[0] == splits.train[0].source.replace("Thou sawest", "You saw")
    assert not {e.group for e in splits.train} & {e.group for e in splits.test}
    longer = Modernise(longest=61, packages=both).splits()
    assert len([*longer.train, *longer.valid, *longer.test]) == 122
    assert not cache_dir.exists()


def test_the_pairs_are_built_once_and_kept(both, cache_dir, monkeypatch) -> None:
    asked = []

    def download(names, into):
        assert into.is_dir()
        asked.append(tuple(names))
        return list(both)

    monkeypatch.setattr(modernise, "of_debian", download)
    task = Modernise()
    assert task.splits() == task.splits() == Modernise(packages=both).splits()
    assert asked == [("sword-text-kjv", "sword-text-web")]
    folder = cache_dir / "bible"
    assert {path.name for path in folder.iterdir()} == {
        "kjv-web.tsv",
        "kjv-web.origin.txt",
        "LICENSE",
    }
    assert "new.deb SHA-256 " in (folder / "kjv-web.origin.txt").read_text()
    licences = (folder / "LICENSE").read_text()
    assert "old is in the public domain" in licences
    assert "new is in the public domain" in licences


def test_both_sides_have_one_vocabulary() -> None:
    pairs = [Example("Thou sawest it", ("You saw it",), "Gen.1")]
    source, target = Modernise(vocabulary=300).units(pairs)
    assert source is target
    assert target.decode(target.encode("Thou saw")) == "Thou saw"


def test_scores_are_those_of_texts() -> None:
    pairs = [Example("x", ("you saw it all",), "Gen.1")]
    scores = Modernise().scores(["you saw them all"], pairs)
    assert (scores["exact"], scores["edit_rate"], scores["repeated_rate"]) == (0, 0.25, 0)


def test_a_length_that_nothing_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no verse has 0 words or fewer"):
        Modernise(longest=0)


@pytest.mark.slow
def test_the_real_verses() -> None:
    """How many exactly depends on the release of Debian."""
    splits = Modernise().splits()
    assert len(splits.train) > 25_000
    assert not {e.source for e in splits.train} & {e.source for e in splits.test}
