"""Paragraphs meet by page and id; what was built is kept, whole, with licence and origin."""

from pathlib import Path

import pytest

from anyorder.data import translate
from anyorder.data.pairs import Example
from anyorder.data.translate import Translate, aligned, pages_of, paragraphs
from tests.data.debian import package

PAGE = """<html><head><title>t</title></head><body>
<h1 id="h" dir="auto"><a name="x"></a>Open&nbsp;a <span class="emph">file</span></h1>
<ul><li><p id="a" class="paragraph">Choose
   <b>File&nbsp;&gt; Open&hellip;</b></p></li>
<li id="l">Item one<p>no id, no part of it</p></li></ul>
<table><tr><td id="c">cell<td>next cell</td></tr></table>
<p id="a">Again the same id</p><p>nothing</p>outside
<h5 id="five">too deep</h5></body></html>"""


def help_files(language: str, word: str, pages: int = 40) -> dict[str, str]:
    where = f"usr/share/libreoffice/help/{language}/text"
    files = {
        f"{where}/sub/{i:02}.html": f'<p id="p">{word} {i} has five words</p><p id="q">{i}</p>'
        for i in range(pages)
    }
    return {
        **files,
        f"{where}/sub/help/99.html": f'<p id="p">{word} two</p>',
        f"usr/share/libreoffice/help/{language}/noscript.html": '<p id="p">no page</p>',
        f"usr/share/doc/libreoffice-help-{language}/copyright": "License: MPL-2.0",
    }


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    return (
        package(folder / "en.deb", help_files("en-US", "page")),
        package(folder / "de.deb", help_files("de", "Seite")),
    )


def test_text_is_folded_and_belongs_to_the_block_that_it_stands_in():
    assert paragraphs(PAGE) == {
        "h": "Open a file",
        "a": "Choose File > Open…",
        "l": "Item one",
        "c": "cell",
        "a 2": "Again the same id",
    }


def test_pages_are_known_by_their_place_under_the_language(both):
    pages = pages_of(both[1])
    assert list(pages) == [*(f"text/sub/{i:02}.html" for i in range(40)), "text/sub/help/99.html"]
    assert pages["text/sub/07.html"] == {"p": "Seite 7 has five words", "q": "7"}


def test_untranslated_missing_and_repeated_sources_are_left_out():
    english = {"1": {"a": "One", "b": "Same", "c": "Three", "d": "", "e": "One"}, "2": {"a": "One"}}
    german = {"1": {"a": "Eins", "b": "Same", "d": "x", "e": "Ein"}, "2": {"a": "Eine"}}
    assert aligned(english, german) == [Example("One", ("Eins",), "1")]


def test_packages_without_a_common_page_are_refused():
    with pytest.raises(ValueError, match="no help pages in common"):
        aligned({"1": {"a": "One"}}, {"2": {"a": "Eins"}})


def test_packages_of_ones_own_need_no_download(both, cache_dir):
    splits = Translate("de", packages=both).splits()
    every = [*splits.train, *splits.valid, *splits.test]
    assert len(every) == 40, "two words are too short a sentence"
    assert splits.train[0].source.replace("page", "Seite") == splits.train[0].targets[0]
    assert len(Translate("de", shortest=2, packages=both).splits().train) == len(splits.train) + 1
    assert not cache_dir.exists()


def test_the_pairs_are_built_once_and_kept(both, cache_dir, monkeypatch):
    asked = []

    def download(names, into):
        assert into.is_dir()
        asked.append(names)
        return list(both)

    monkeypatch.setattr(translate, "of_debian", download)
    task = Translate("de")
    assert task.splits() == task.splits() == Translate("de", packages=both).splits()
    assert asked == [["libreoffice-help-en-us", "libreoffice-help-de"]]
    folder = cache_dir / "libreoffice-help"
    assert {path.name for path in folder.iterdir()} == {
        "en-de.tsv",
        "en-de.origin.txt",
        "LICENSE",
    }
    assert "en.deb SHA-256 " in (folder / "en-de.origin.txt").read_text()
    assert "MPL-2.0" in (folder / "LICENSE").read_text()


def test_a_download_that_fails_leaves_nothing(cache_dir, monkeypatch):
    def download(_names, _into):
        raise OSError("no network")

    monkeypatch.setattr(translate, "of_debian", download)
    with pytest.raises(OSError, match="no network"):
        Translate("fr").splits()
    assert not list((cache_dir / "libreoffice-help").iterdir())


@pytest.mark.parametrize("language", ["DE", "german", "../de", ""])
def test_a_language_is_a_code(language):
    with pytest.raises(ValueError, match="no language code"):
        Translate(language)


@pytest.mark.parametrize(("shortest", "longest"), [(5, 4), (0, 3)])
def test_lengths_that_nothing_has_are_refused(shortest, longest):
    with pytest.raises(ValueError, match="no sentence has"):
        Translate("de", shortest=shortest, longest=longest)


def test_units_write_both_languages():
    pairs = [Example("Choose the file.", ("Wählen Sie die Datei.",), "1")]
    source, target = Translate("de", vocabulary=300).units(pairs)
    assert source.decode(source.encode("the file")) == "the file"
    assert target.decode(target.encode("Wählen")) == "Wählen"


def test_scores_are_those_of_sacrebleu():
    pytest.importorskip("sacrebleu")
    pairs = [Example("x", ("the cat sat on the mat",), "1")]
    scores = Translate("de").scores(["the cat sat on the mat"], pairs)
    assert scores == pytest.approx({"bleu": 100, "chrf": 100, "repeated_rate": 0, "exact": 1})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "fr"])
def test_the_real_pages(language):
    splits = Translate(language).splits()
    assert len(splits.train) > 15_000  # how many exactly depends on the release of Debian
    assert not {e.group for e in splits.train} & {e.group for e in splits.test}
