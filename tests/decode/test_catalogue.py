"""Decoders are found in their folder, named in words, and each is named in the docs."""

import json
import re
import sys
from pathlib import Path

import pytest

from anyorder.decode import Jacobi, LeftToRight, Lenient, TokenRecycling
from anyorder.decode.catalogue import decoders, describe, in_words, parse, split_options

DOCS = Path(__file__).parents[2] / "docs" / "decoders.md"
TOY = """
from dataclasses import dataclass
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy

@dataclass(frozen=True)
class NotOne:
    x: int = 1

from anyorder.decode.left_to_right.plain import LeftToRight as Toy
"""


def test_every_decoder_has_its_line_in_the_docs_and_a_sentence_of_its_own():
    row = r"^\| `([a-z-]+)` \| (yes|no) \| `(\w+)` \|"
    listed = {name: facts for name, *facts in re.findall(row, DOCS.read_text(), re.MULTILINE)}
    assert listed == {
        name: ["yes" if kind.exact else "no", " ".join(need.__name__ for need in kind.needs)]
        for name, kind in decoders().items()
    }
    assert all(describe(kind).endswith((".", "`.")) for kind in decoders().values())


def test_what_decoders_need_is_explained():
    concepts = DOCS.with_name("concepts.md").read_text()
    needed = {need.__name__ for kind in decoders().values() for need in kind.needs}
    assert {name for name in needed if f"\n| `{name}` |" not in concepts} == set()


@pytest.mark.parametrize(
    ("text", "decoder"),
    [
        ("left-to-right", LeftToRight()),
        ("jacobi:block=8,sliding=true", Jacobi(block=8, sliding=True)),
        ("jacobi:horizon=none", Jacobi()),
        ("token-recycling:size=4,warm=false", TokenRecycling(size=4, warm=False)),
    ],
)
def test_words_name_a_decoder(text, decoder):
    assert parse(text) == decoder


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nucleus", "there is no decoder 'nucleus'; there are: aggressive-decoding"),
        ("jacobi:width=3", "no option 'width'; it has: block, horizon, sliding"),
        ("jacobi:block", "the option block needs a value"),
        ("jacobi:block=many", "block is a number, not 'many'"),
        ("jacobi:sliding=perhaps", "sliding is true or false"),
        ("jacobi:block=1", "at least 2 cells"),
        ("speculative", "needs draft_model"),
        ("speculative:draft_model=x", "none can be loaded here"),
        ("token-recycling:rank_odds=1", "use Python for it"),
        ("lenient:by=(jacobi:block=8", "opens a bracket that it does not close"),
        ("lenient:by=jacobi:block=8)", "closes a bracket that it did not open"),
        ("prompt-copy:width=3,width=5", "prompt-copy is given width twice; give it once"),
        ("lenient:by=lenient", "within by=(lenient): lenient needs by: write lenient:by=..."),
        ("lenient:by=(jacobi:width=1)", "within by=(jacobi:width=1): jacobi has no option 'width'"),
        ("prompt-coppy", "no decoder 'prompt-coppy'; did you mean 'prompt-copy'?"),
        ("Prompt-Copy:width=3", "did you mean 'prompt-copy'?"),
        ("prompt_copy", "did you mean 'prompt-copy'?"),
        ("PromptCopy", "did you mean 'prompt-copy'?"),
        ("nowhere.py:Toy", "nowhere.py does not exist"),
    ],
)
def test_a_wrong_word_gets_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse(text)


def test_commas_within_brackets_stay_there():
    inner = Jacobi(block=8, sliding=True)
    for text in (
        "by=(jacobi:block=8,sliding=true),top=3",
        "top=3,by=(jacobi:block=8,sliding=true)",
    ):
        assert parse(f"lenient:{text}") == Lenient(inner, top=3)
    assert split_options("a=(b:c=1,d=(e:f=2)),g=3") == ["a=(b:c=1,d=(e:f=2))", "g=3"]


def test_what_can_be_said_in_words_is_what_is_parsed():
    def said(name, option):
        try:
            parse(f"{name}:{option}=1", load_model=str.upper)
        except ValueError as error:
            return "use Python" not in str(error)
        return True

    told = {name: in_words(kind) for name, kind in decoders().items()}
    assert told == {name: {each: said(name, each) for each in of} for name, of in told.items()}
    assert told["trigram-search"]["corpus"] is False
    assert told["trigram-search"]["size"] is True


def test_a_users_own_file(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    assert parse(f"{path}:Toy") == LeftToRight()
    with pytest.raises(ValueError, match=r"NotOne in .* is no decoder yet"):
        parse(f"{path}:NotOne")


LATER = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from anyorder.decode import LeftToRight

@dataclass(frozen=True)
class Toy(LeftToRight):
    size: int = 1
    note: ClassVar[str] = "{note}"
"""


def test_a_users_own_file_may_put_off_its_annotations(tmp_path):
    """Two files of one name are two modules, and neither takes the place of a library."""
    for note in ("one", "two"):
        (tmp_path / note).mkdir()
        (tmp_path / note / "json.py").write_text(LATER.format(note=note))
    toys = [parse(f"{tmp_path / note}/json.py:Toy:size=3") for note in ("one", "two")]
    assert [(toy.size, toy.note) for toy in toys] == [(3, "one"), (3, "two")]
    assert toys[0] != toys[1]
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os\n\nclass Toy(:\n", ", line 3, fails: SyntaxError: "),
        ("x = 1\nimport nothing_like_it\n", ", line 2, fails: ModuleNotFoundError: No module"),
        ("def f():\n    return 1 / 0\nf()\n", ", line 2, fails: ZeroDivisionError: division"),
        ("import sys\nsys.exit(3)\n", ", line 2, fails: SystemExit: 3"),
        ("\0", " fails: "),
    ],
)
def test_a_users_own_file_that_fails_gets_a_sentence(tmp_path, code, says):
    path = tmp_path / "toy.py"
    path.write_text(code)
    before = set(sys.modules)
    with pytest.raises(ValueError, match=re.escape(f"{path}{says}")):
        parse(f"{path}:Toy")
    assert set(sys.modules) == before


def test_a_model_is_loaded_by_whoever_can():
    assert parse("speculative:draft_model=small", load_model=str.upper).draft_model == "SMALL"
