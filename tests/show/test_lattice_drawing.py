"""The drawing of a lattice: what stands where, what it says when it is pointed at."""

from typing import Any

import pytest

from tests.show.node import run

PIECES = {"3": " <blank>", "4": " AH", "5": " B", "6": " K", "2": "<eos>"}
SCRIPTS = ("trace.js", "lattice.js", "pane.js", "controls.js")
PIECE = f"((token) => ({PIECES})[token])"
CTC: dict[str, Any] = {
    "kind": "ctc",
    "cells": [
        [[4, 0.9]],
        [[4, 0.6], [5, 0.3]],
        [[3, 1.0]],
        [[3, 0.7], [5, 0.2]],
        [[6, 1.0]],
        [[3, 1]],
    ],
    "spells": [0, 0, -1, 1, 2, -1],
    "begin": 1,
    "blank": 3,
    "links": None,
    "reached": None,
    "source": ["a", "b"],
    "spread": 3,
    "text": [4, 5, 6],
}
DAG: dict[str, Any] = CTC | {
    "kind": "dag",
    "blank": None,
    "cells": [[[4, 1.0]], [[5, 0.7], [6, 0.3]], [[6, 0.6], [5, 0.4]], [[2, 1.0]]],
    "spells": [0, 1, -1, 2],
    "links": [[[1, 0.6], [2, 0.4]], [[3, 0.9], [2, 0.1]], [[3, 1.0]], []],
    "reached": [1.0, 0.6, 0.05, 1.0],
    "source": ["a", "b"],
    "spread": 2,
    "text": [4, 6, 2],
}
# As much of a document as the drawing needs.
DOCUMENT = """
class Fake {
  constructor(tag) {
    Object.assign(this, { tag, children: [], names: new Set(), dataset: {}, set: {}, tabIndex: 0 });
    this.style = { setProperty: (name, value) => (this.set[name] = value) };
    this.classList = { toggle: (name, on) => this.names[on ? "add" : "delete"](name) };
  }
  set className(words) { this.names = new Set(words.split(" ").filter((word) => word)); }
  get className() { return [...this.names].join(" "); }
  append(...more) { this.children.push(...more); }
  setAttribute(name, value) { this.set[name] = value; }
  all(test) {
    const below = this.children.filter((child) => child instanceof Fake);
    return [...(test(this) ? [this] : []), ...below.flatMap((child) => child.all(test))];
  }
  get words() { return this.children.map((child) => child.words ?? child).join(""); }
}
const createElement = (tag) => new Fake(tag);
globalThis.document = { createElement, createElementNS: (_, tag) => createElement(tag) };
"""


def drawn(entry: dict[str, Any], ask: str) -> Any:
    """`ask` of the view of this entry."""
    act = f"(() => {{ {DOCUMENT} const view = new LatticeView(input, {PIECE}); return {ask}; }})()"
    return run(*SCRIPTS, ask=act, input=entry)


def about(entry: dict[str, Any], n: int) -> dict[str, Any]:
    return run(*SCRIPTS, ask=f"aboutSite(input, {n}, {PIECE})", input=entry)


def test_cells_that_spell_one_token_are_one_run():
    runs = run("lattice.js", ask="runsOf(input)", input=CTC["spells"])
    assert runs == [
        {"token": 0, "first": 0, "last": 1},
        {"token": 1, "first": 3, "last": 3},
        {"token": 2, "first": 4, "last": 4},
    ]
    assert run("lattice.js", ask="runsOf(input)", input=None) == []


def test_a_strip_has_a_site_a_cell_a_bracket_a_token_and_the_source_below():
    sites = drawn(CTC, "view.sites.map((s) => [s.className, s.words, s.set['aria-label']])")
    assert sites == [
        ["site taken", "AH", "1: AH, 90.0 %"],
        ["site taken joined", "AH", "2: AH, 60.0 %"],
        ["site blank", "", "3: nothing, 100 %"],
        ["site taken second", "B", "4: B, 20.0 %"],
        ["site taken", "K", "5: K, 100 %"],
        ["site blank", "", "6: nothing, 100 %"],
    ]
    named = "view.element.all((e) => e.names.has('{}')).map((e) => [e.words, e.style.gridColumn])"
    assert drawn(CTC, named.format("bracket")) == [["AH", "1 / 3"], ["B", "4 / 5"], ["K", "5 / 6"]]
    assert drawn(CTC, named.format("source")) == [["a", "1 / 4"], ["b", "4 / 7"]]


def test_a_graph_has_its_links_as_arcs_and_the_path_on_top():
    arcs = drawn(
        DAG, "view.element.all((e) => e.tag === 'path').map((e) => [e.set.class, e.set['--p']])"
    )
    assert [name for name, _ in arcs] == ["", "", "", "taken", "taken"]
    assert [p for _, p in arcs] == pytest.approx([0.4, 0.06, 0.05, 0.6, 0.54])
    sites = drawn(DAG, "view.sites.map((s) => [s.className, s.words])")
    assert sites == [
        ["site taken", "AH"],
        ["site taken second", "K"],
        ["site", ""],  # few paths come by: its token shows when it is pointed at
        ["site taken", "<eos>"],
    ]


def test_one_site_is_a_stop_for_the_tab_key():
    for entry in (CTC, DAG):
        stops = drawn(entry, "view.sites.map((s) => s.tabIndex)")
        assert stops == [0] + [-1] * (len(entry["cells"]) - 1)


def test_sites_and_cells_of_the_text_know_each_other():
    assert drawn(CTC, "view.sites.map((_, n) => view.cellOf(n))") == [1, 1, None, 2, 3, None]
    assert drawn(CTC, "[0, 1, 2, 9].map((c) => view.sitesOf(c).length)") == [0, 2, 1, 0]


def test_a_site_tells_its_choices_and_which_was_taken():
    told = about(CTC, 3)
    assert (told["token"], told["id"]) == (" B", "cell 4 of 6")
    assert told["lines"] == ["stands for: the 2nd token of the text"]
    assert told["choices"] == [
        {"words": "· nothing", "p": 0.7, "chosen": False},
        {"words": "␣B", "p": 0.2, "chosen": True},
    ]
    blank = about(CTC, 2)
    assert (blank["token"], blank["lines"]) == ("·", ["a blank: it says nothing"])
    assert blank["choices"][0]["chosen"]
    beside = about(DAG, 2)
    assert beside["lines"] == ["beside the path", "paths that come by: 5.0 %"]
    assert not any(choice["chosen"] for choice in beside["choices"])


def test_a_text_that_no_path_writes_is_told_of_and_nothing_is_taken():
    for entry in (CTC, DAG):
        lost = entry | {"spells": None, "text": [4]}
        said = drawn(lost, "view.element.children.at(-1).words")
        assert "none is drawn" in said
        assert not drawn(lost, "view.sites.some((s) => s.names.has('taken'))")
        assert about(lost, 1)["lines"][0] == "its likeliest token"
        assert "none is drawn" not in drawn(entry, "view.element.children.at(-1).words")


def test_a_token_is_never_markup():
    evil = "<b onclick=alert(1)>"
    entry = CTC | {"source": [evil, evil]}
    texts = drawn(entry, "view.element.all((e) => e.words === input.source[0]).map((e) => e.tag)")
    assert set(texts) == {"span"}


@pytest.mark.parametrize(
    ("n", "said"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (12, "12th"), (21, "21st"), (113, "113th")],
)
def test_ordinals(n: int, said: str):
    assert run("lattice.js", ask="ordinal(input)", input=n) == said


@pytest.mark.parametrize(
    ("piece", "shown"), [(" AH", "AH"), ("  ", "␣␣"), ("\n", "↵"), ("a b", "a b")]
)
def test_pieces_in_a_drawing(piece: str, shown: str):
    assert run("lattice.js", ask="brief(input)", input=piece) == shown


def test_room_that_was_left_over_is_not_drawn():
    """Cells: given, done, a draft taken back, and room that nobody used."""
    cells = [{"status": status} for status in (4, 3, 1, 1)]
    ask = "[inUse(input, input), inUse(input, input.slice(0, 2)), inUse(input, [])]"
    assert run(*SCRIPTS, ask=ask, input=cells) == [4, 2, 2]
