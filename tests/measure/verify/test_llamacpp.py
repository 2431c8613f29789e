"""llama-cpp-python under the laws: a stand-in for it, and where it is installed, itself."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from anyorder.measure.verify.laws import Effort, examine
from anyorder.measure.verify.llamacpp import pair
from anyorder.measure.verify.subject import Ask, Finding
from anyorder.models.files.fetch import fetch
from anyorder.models.llamacpp.library import library
from tests.measure.verify.llamas import install
from tests.models import made
from tests.models.test_llamacpp import there

LETTERS = ["abcabc", "hgfe" * 150, "a"]
WORDS = ["one two one two", "grey and green", "ab"]
LOOKUP = {"num_pred_tokens": 4, "max_ngram_size": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.gguf"
    path.write_bytes(b"GGUF")
    return path


def found(path: Path, prompts: list[str], *, draws: int = 0, **asked: Any) -> list[Finding]:
    return list(examine(*pair(path, asked), prompts, Effort(new=24, draws=draws)))


def failing(findings: list[Finding]) -> set[int]:
    return {each.law for each in findings if each.holds is False}


@pytest.mark.parametrize("asked", [{}, LOOKUP, {"num_pred_tokens": 2000}])
def test_all_holds_of_one_that_checks_what_it_drafts(file, monkeypatch, asked):
    install(monkeypatch)
    findings = found(file, LETTERS, draws=60, **asked)
    assert [(each.law, each.holds) for each in findings] == [
        *((1, True), (3, None), (6, True), (6, True), (2, True))
    ]
    assert "one text at a time" in findings[1].sentence


@pytest.mark.parametrize(("fault", "laws"), [("trusts", {1, 2}), ("stops", {6})])
def test_each_law_notices_its_fault(file, monkeypatch, fault, laws):
    install(monkeypatch, fault)
    assert failing(found(file, LETTERS, draws=60, **LOOKUP)) == laws


def test_who_is_to_draft_drafts_and_nothing_is_kept_of_the_text_before(file, monkeypatch):
    install(monkeypatch)
    drafting, plain = pair(file, LOOKUP)
    ask = Ask(LETTERS[1], 24)
    said = {subject.name: subject.write([ask])[0] for subject in (drafting, plain, drafting)}
    assert list(said) == ["llama.cpp, LlamaPromptLookupDecoding", "llama.cpp"]
    assert len({one.text for one in said.values()}) == 1
    assert drafting.llama.begun == [0, 0, 0]
    plain.write([ask])
    assert drafting.llama.calls[-23:] == [1] * 23
    drafting.write([ask])
    assert max(drafting.llama.calls[-5:]) > 1


def test_the_seed_decides_a_drawn_text(file, monkeypatch):
    install(monkeypatch)
    subject = pair(file, LOOKUP)[0]
    one, other, again = (
        subject.write([Ask("abc", 24, temperature=1.0, seed=seed)])[0] for seed in (1, 2, 1)
    )
    assert one == again != other


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"num_beams": 3}, "drafts with max_ngram_size and num_pred_tokens, not with 'num_beams'"),
        ({"num_pred_tokens": 0}, "from 1 to 2047, not 0"),
        ({"num_pred_tokens": 2048}, "not 2048"),
        ({"max_ngram_size": "many"}, "not 'many'"),
        ({"max_ngram_size": True}, "not True"),
    ],
)
def test_other_ways_to_draft_are_refused(file, asked, told):
    with pytest.raises(ValueError, match=told):
        pair(file, asked)


def test_what_can_not_be_written_is_refused(file, monkeypatch):
    install(monkeypatch)
    subject, reference = pair(file, LOOKUP)
    with pytest.raises(ValueError, match=r"of 2040 tokens leaves room for 8 here, not for 9"):
        subject.write([Ask("a" * 2040, 9)])
    with pytest.raises(ValueError, match="a prompt is empty"):
        reference.write([Ask("", 4)])


def test_only_gguf_files_are_read(tmp_path):
    with pytest.raises(ValueError, match=r"reads GGUF files, and .* is none"):
        pair(tmp_path, {})
    (tmp_path / "other.gguf").write_bytes(b"PK-something")
    with pytest.raises(ValueError, match="is no GGUF file"):
        pair(tmp_path / "other.gguf", {})


def test_without_the_package_it_says_what_to_install(file, monkeypatch):
    library.cache_clear()
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama_cpp", None)
    try:
        with pytest.raises(ValueError, match=r"pip install 'anyorder\[llamacpp\]'"):
            pair(file, LOOKUP)
    finally:
        library.cache_clear()


@there
@pytest.mark.parametrize("asked", [{}, LOOKUP])
def test_texts_of_llama_cpp_that_go_on_after_their_limit(tmp_path, asked):
    """Known of llama-cpp-python 0.3.36: it looks for no limit within a character of several tokens,
    as many bytes of a random network seem to be. All else holds.
    """
    findings = found(made.gguf_file(tmp_path / "made.gguf", packed=False), WORDS, draws=40, **asked)
    assert [each.holds for each in findings] == [True, None, True, False, True]
    assert re.search(r"asked for \d, it wrote \d+ tokens", findings[3].sentence)


@there
def test_a_file_that_is_cut_short_is_named(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r"llama.cpp can't load .*made.gguf: \w"):
        pair(path, {})


@there
@pytest.mark.slow
def test_on_smollm2_stops_limits_and_draws_are_right():
    """But greedy texts may part where two tokens are about as likely (see docs/laws.md)."""
    prompts = ["Name three colours.", "Repeat this: one two three, one two three, one two three."]
    findings = found(fetch("smollm2"), prompts, draws=10, num_pred_tokens=10)
    assert [each.holds for each in findings[1:]] == [None, True, True, True]
