"""Characters that take several tokens: shown once, as what they are; parts of them as bytes."""

import random
from pathlib import Path

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.generate import generate
from anyorder.show.page import Group, Run, data_of
from anyorder.show.replay import texts
from anyorder.show.spelling import spelled
from anyorder.trace import Change, Step, Trace
from tests.serve.clients import COMPLETIONS, chatty, served
from tests.show.node import run

TEXT = "Grüße aus 东京! 😀 ok"


def parts(text: str) -> tuple[list[int], dict[int, str], dict[int, bytes]]:
    """One token a byte, as a byte-level vocabulary has it at the worst."""
    tokens = list(text.encode())
    pieces = {byte: bytes([byte]).decode(errors="replace") for byte in tokens}
    return tokens, pieces, {byte: bytes([byte]) for byte in tokens if byte >= 0x80}


def js(tokens: list, pieces: dict[int, str], raw: dict[int, bytes]) -> dict[str, list]:
    return run("spelling.js", ask="spell(...input)", input=[tokens, pieces, hexed(raw)])


def hexed(raw: object) -> dict[int, str]:
    assert isinstance(raw, dict)
    return {token: told.hex() for token, told in raw.items()}


def test_a_character_stands_where_it_begins_and_only_there() -> None:
    tokens, pieces, raw = parts(TEXT)
    cells = spelled(tokens, pieces, raw)
    assert "".join(cells) == TEXT
    assert len(cells) == len(tokens)
    at = TEXT.encode().index("😀".encode())
    assert cells[at : at + 4] == ["😀", "", "", ""]
    told = js(tokens, pieces, raw)
    assert told["texts"] == cells
    assert told["heads"][at : at + 4] == [at] * 4


def test_what_makes_no_character_is_told_as_bytes() -> None:
    tokens, pieces, raw = parts("😀")
    assert spelled(tokens[:2], pieces, raw) == ["<F0>", "<9F>"]
    open_ = [tokens[0], None, *tokens[1:]]
    assert spelled(open_, pieces, raw) == ["<F0>", "", "<9F>", "<98>", "<80>"]
    both = {1: b" \xf0\x9f", 2: b"\x98\x80 x\xe4", 3: b"\xb8\x9c"}
    assert spelled([1, 2, 3, 1], {}, both) == [" 😀", " x东", "", " <F0><9F>"]
    assert spelled([1], {1: "\ufffd"}, {}) == ["\ufffd"]  # a tokenizer that tells no bytes


def test_page_and_terminal_spell_alike() -> None:
    rng = random.Random(0)
    ask, cases, wanted = "input.map((one) => spell(...one).texts)", [], []
    for _ in range(200):
        text = bytearray("aé东😀\ud7ff".encode())
        for _ in range(rng.randint(0, 3)):
            text[rng.randrange(len(text))] = rng.choice(
                [*range(0x80, 0xC0), 0x41, 0xE4, 0xF0, 0xFF]
            )
        raw = {n: bytes(text[n : n + 2]) for n in range(0, len(text), 2)}
        tokens: list[int | None] = [t if rng.random() < 0.95 else None for t in raw]
        cases.append([tokens, {}, hexed(raw)])
        wanted.append(spelled(tokens, {}, raw))
    assert run("spelling.js", ask=ask, input=cases) == wanted


def test_signs_that_one_sees_as_one_stand_together() -> None:
    for sign in ("🇩🇪", "e\u0301", "👩\u200d💻", "👍🏽"):
        pieces = dict(enumerate(["x", *sign, "y"]))
        told = js(list(pieces), pieces, {})
        assert told["texts"] == ["x", sign, *[""] * (len(sign) - 1), "y"]
        assert told["heads"] == [0, *[1] * len(sign), len(sign) + 1]


def test_bytes_are_in_the_trace_and_in_every_view_of_it() -> None:
    lm = chatty()
    trace = generate(lm, "Grüße 😀", max_new_tokens=1, seed=0).trace
    cut = [token for token in trace.start.row(0) if "\ufffd" in trace.pieces[token]]
    assert cut, "this vocabulary has whole characters: take rarer ones"
    assert set(cut) <= set(trace.raw)
    assert b"".join(trace.raw[token] for token in cut).decode() == "ß😀"
    assert next(iter(texts(trace))).startswith("<|user|>Grüße 😀<|end|>")
    (group,) = data_of([Group(name="a", prompt="b", runs=(Run(decoder="c", trace=trace),))])[
        "groups"
    ]
    assert group["runs"][0]["trace"][-1]["bytes"] == {str(t): r.hex() for t, r in trace.raw.items()}


def test_a_stream_tells_the_bytes_before_they_are_needed() -> None:
    with served() as server:
        body = {"prompt": "Grüße 😀", "max_tokens": 2, "temperature": 0, "trace": True}
        (first, *_) = server.events(COMPLETIONS, **body)
    told = first["anyorder"]
    assert {t for t, piece in told["pieces"].items() if "\ufffd" in piece} == {*told["bytes"]}


@pytest.mark.parametrize("raw", [{}, {7: b"\xf0\x9f"}])
def test_a_file_keeps_the_bytes(tmp_path: Path, raw: dict[int, bytes]) -> None:
    path = tmp_path / "trace.jsonl"
    start = Canvas.of_prompts([[7]], new_cells=[1])
    Trace(start, (Step((), (Change(0, 1, 7, 3, 0.0),)),), {}, {7: "\ufffd"}, raw).save(path)
    assert Trace.load(path).raw == raw
    assert ("bytes" in path.read_text(encoding="utf-8")) == bool(raw)
    assert torch.equal(Trace.load(path).start.tokens_BN, start.tokens_BN)
