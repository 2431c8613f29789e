"""The README's table is that of the stored result."""

from dataclasses import replace

import pytest

from anyorder.measure.results import Peer, Peers, read_peers
from benchmarks.readme import RESULT, ROOT, markdown, page


def row(engine: str, decoder: str, rate: float, task: str = "story") -> Peer:
    return Peer(
        engine=engine,
        decoder=decoder,
        model="m",
        task=task,
        precision="float32",
        batch=1,
        tokens_per_s=rate,
        spread=0.0,
        calls=None,
        tokens_per_call=None,
        same_text=None,
        ratio={},
    )


ROWS = [
    row("transformers", "greedy", 10.0),
    row("anyorder", "left-to-right", 20.0),
    row("anyorder", "auto", 31.6),
    row("anyorder", "auto", 40.0, "edit"),
]


def made() -> Peers:
    return Peers(commit="c", versions={}, machine={}, rows=ROWS)


def test_each_engine_shows_its_plain_decoder_and_its_best():
    lines = markdown(made()).splitlines()
    assert lines[0] == "| precision | | story | edit |"
    assert "| float32 | anyorder, one token a call | 20 | 0 |" in lines
    assert "| float32 | anyorder, best of its decoders | 32 | 40 |" in lines


def test_our_decoders_over_llama_cpp_are_told_from_those_over_our_network():
    own = replace(row("anyorder", "left-to-right", 7.0), precision="own")
    lines = markdown(replace(made(), rows=[*ROWS, own])).splitlines()
    assert "| its own (Q4_1) | anyorder in llama.cpp, one token a call | 7 | 0 |" in lines


def test_another_result_is_another_table():
    faster = replace(made(), rows=[*ROWS[:2], row("anyorder", "auto", 50.0)])
    assert markdown(faster) != markdown(made())


def test_a_page_without_a_place_is_refused():
    with pytest.raises(ValueError, match="peers"):
        page("# no place", made())


def test_the_readme_is_up_to_date():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page(text, read_peers(RESULT)) == text
