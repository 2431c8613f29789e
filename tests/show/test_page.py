"""The page: one file that loads nothing, obeys nothing it shows, and keeps every trace whole."""

import json
import math
import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from anyorder.canvas import DONE, Canvas
from anyorder.meter import Cost
from anyorder.show.page import Group, Run, compare_page, embedded
from anyorder.show.provenance import acceptance
from anyorder.trace import Change, Step, Trace
from tests.show.made import alone, chain, spoken
from tests.show.node import run

EVIL = "</script><script>alert(1)</script><!-- \u2028 & <b>"


def made(prompt: str = "Say it.", text: str = " The cat sat on the mat.", **facts: str) -> Trace:
    return spoken(prompt, text, lambda vocab: chain(4, 0.7, vocab, random.Random(0)), **facts)


def page_of(*runs: Run, prompt: str = "Say it.", name: str = "story") -> str:
    return compare_page([Group(name=name, prompt=prompt, runs=runs)], {"model": "tiny"})


class Elements(HTMLParser):
    """Every element with its attributes, and the text of those that hold scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script":
            self.scripts[-1] += data


def data_of(page: str) -> dict:
    return json.loads(Elements(page).scripts[0])


def test_it_loads_nothing():
    page = page_of(Run(decoder="LeftToRight", trace=made()))
    page = page.replace('"http://www.w3.org/2000/svg"', "")  # the name of a kind of elements
    assert not re.search(r"https?://|url\(|@import|@font-face|\bfetch\(|XMLHttp|import\(", page)
    for tag, attributes in Elements(page).elements:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert not {"src", "href", "srcset", "action"} & set(attributes)


def test_its_policy_names_its_own_script_and_style_and_no_other():
    elements = Elements(page_of(Run(decoder="LeftToRight", trace=made()))).elements
    (policy,) = [a["content"] for _, a in elements if a.get("http-equiv")]
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'",
        policy or "",
    )
    assert not any("style" in a or any(n.startswith("on") for n in a) for _, a in elements)


def test_a_script_in_a_prompt_stays_text():
    evil = replace(made(EVIL, EVIL), facts={"text": EVIL})
    page = compare_page(
        [Group(name=EVIL, prompt=EVIL, runs=(Run(decoder=EVIL, trace=evil, note=EVIL),))],
        {EVIL: EVIL},
        title=EVIL,
    )
    parsed = Elements(page)
    assert len(parsed.scripts) == 2
    assert "alert" not in parsed.scripts[1]
    assert "b" not in {tag for tag, _ in parsed.elements}
    assert "\u2028" not in parsed.scripts[0]
    group = data_of(page)["groups"][0]
    assert (group["name"], group["prompt"], group["runs"][0]["decoder"]) == (EVIL, EVIL, EVIL)


def test_dollar_signs_in_a_text_are_no_placeholders():
    assert data_of(page_of(Run(decoder="$css", trace=made()), prompt="$data ${x} $$"))


@pytest.mark.parametrize("data", [EVIL, {"<": ["&", 1.5, None]}, "\u2029"])
def test_embedded_data_comes_back(data):
    assert json.loads(embedded(data)) == data
    assert not set("<>&\u2028\u2029") & set(embedded(data))


def test_every_trace_comes_back_from_the_page(tmp_path):
    """The lines on the page are a trace that `Trace.load` reads, but for digits."""
    trace = made(decoder="chain")
    data = data_of(page_of(Run(decoder="chain", trace=trace), Run(decoder="again", trace=trace)))
    for n in (0, 1):
        lines = data["groups"][0]["runs"][n]["trace"]
        lines[-1]["pieces"] |= data["pieces"]
        path = tmp_path / "trace.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        back = Trace.load(path)
        assert back.pieces == trace.pieces
        assert back.facts == trace.facts
        assert [step.changes for step in back.steps] == [step.changes for step in trace.steps]
        assert back.cost.calls == trace.cost.calls
        assert back.cost.seconds == pytest.approx(trace.cost.seconds, abs=1e-3)


def test_a_probability_of_zero_is_no_broken_json():
    start = Canvas.of_prompts([[5]], new_cells=[1])
    trace = Trace(start, (Step((), (Change(0, 1, 3, DONE, -math.inf),)),))
    (run_,) = data_of(page_of(Run(decoder="a", trace=trace)))["groups"][0]["runs"]
    assert run_["trace"][1]["changes"] == [[0, 1, 3, DONE, -1e9]]


def test_pieces_that_differ_between_models_stay_with_their_trace():
    mine = Trace(Canvas.of_prompts([[5]], new_cells=[0]), pieces={5: "Once"})
    other = replace(mine, pieces={5: "Einst"})
    data = data_of(page_of(Run(decoder="a", trace=mine), Run(decoder="b", trace=other)))
    read = [
        run("trace.js", ask="readTrace(...input).pieces", input=[one["trace"], data["pieces"]])
        for one in data["groups"][0]["runs"]
    ]
    assert read == [{"5": "Once"}, {"5": "Einst"}]


def test_figures_are_the_measured_ones_where_there_are_some():
    trace = made()
    cost = Cost(calls=7, tokens=14, seconds=2.0)
    own, measured = (
        Run(decoder="a", trace=trace).figures,
        Run(decoder="b", trace=trace, cost=cost, same_text=False).figures,
    )
    assert own["calls"] == trace.cost.calls
    assert (measured["calls"], measured["tokens_per_second"]) == (7, 7.0)
    assert (own["same_text"], measured["same_text"]) == (None, False)


def test_figures_tell_drafts_cells_and_where_the_seconds_went():
    trace = made()
    figures = Run(decoder="a", trace=trace).figures
    assert figures["acceptance"] == acceptance(trace)
    assert figures["acceptance"]["accepted"] > 0
    assert figures["cells"] == trace.cost.cells > 0
    cost = Cost(seconds=4.0, model_seconds=3.0, prompt_seconds=1.0, draft_seconds=0.5)
    measured = Run(decoder="a", trace=trace, cost=cost).figures
    told = [measured[f"{name}_seconds"] for name in ("draft", "prompt", "verify")]
    assert told == [0.5, 1.0, 2.0]
    (run_,) = data_of(page_of(Run(decoder="a", trace=trace)))["groups"][0]["runs"]
    assert run_["figures"]["acceptance"]["drafts"] == acceptance(trace)["drafts"]


def test_a_speed_up_counts_tokens_unless_it_is_told_what_else():
    trace = made()
    tokens, sources = Run(decoder="a", trace=trace), Run(decoder="a", trace=trace, work=1)
    assert (tokens.figures["work"], sources.figures["work"]) == (trace.cost.tokens, 1)


def test_the_page_says_what_the_texts_were_written_from():
    group = Group(name="cat", prompt="cat", runs=(Run(decoder="a", trace=made()),))
    assert "<summary>The source</summary>" in compare_page([group], {}, asked="source")
    assert "<summary>The prompt</summary>" in compare_page([group], {})


def test_the_baseline_is_the_first_run_unless_another_is_named():
    trace = made()
    runs = [Run(decoder="a", trace=trace), Run(decoder="b", trace=trace, baseline="c")]
    told = data_of(page_of(*runs))["groups"][0]["runs"]
    assert [one["baseline"] for one in told] == ["a", "c"]


def test_a_page_of_realistic_size_stays_small():
    text = " ".join(f"word{n % 50}" for n in range(100))
    trace = spoken("Say it.", text, lambda _: alone)
    groups = [
        Group(name=f"{n}", prompt="Say it.", runs=(Run(decoder="LeftToRight", trace=trace),) * 6)
        for n in range(5)
    ]
    assert len(compare_page(groups, {}).encode()) < 1_500_000


def test_a_page_needs_a_prompt_and_a_run():
    for groups in ([], [Group(name="story", prompt="", runs=())]):
        with pytest.raises(ValueError, match="needs a prompt"):
            compare_page(groups, {})
