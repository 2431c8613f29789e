"""Lattices in a trace: what the cells said, and how the text that was written is read off them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.align.lattice import CTCLattice, DAGLattice
from anyorder.decode.generate import generate
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer
from anyorder.models.translator import Translator
from anyorder.show.lattices import with_lattice
from anyorder.show.page import Group, Run, compare_page
from anyorder.trace import Step, Trace
from anyorder.units.special import BLANK, EOS
from anyorder.units.training import letters
from tests.train.made import parallel, seq2seq

V = 10  # four special tokens and a to f
A, B, C = 4, 5, 6
UNITS = letters(["abcdef"])


def ctc(p_BMV: Tensor) -> Translator:
    """A translator whose cells say this, whatever it reads: two cells for each letter."""
    net = parallel(CTCTransformer)
    net.lattice = lambda begun: CTCLattice(p_BMV.log(), begun.count_B, BLANK)  # type: ignore[assignment]
    return Translator(net, UNITS, UNITS, "tiny", (EOS,))


def dag(p_BMV: Tensor, links_BMM: Tensor) -> Translator:
    """A translator whose vertices say this, and are linked like this."""
    net = parallel(DAGTransformer)
    net.lattice = lambda begun: DAGLattice(p_BMV.log(), links_BMM.log(), begun.count_B)  # type: ignore[assignment]
    return Translator(net, UNITS, UNITS, "tiny", (EOS,))


def table(*rows: dict[int, float]) -> Tensor:
    """A row of cells by their likely tokens; what is left goes to token f."""
    p_1MV = torch.zeros(1, len(rows), V)
    for m, row in enumerate(rows):
        for token, p in row.items():
            p_1MV[0, m, token] = p
        p_1MV[0, m, V - 1] += 1 - sum(row.values())
    return p_1MV


def seen(translator: Translator, source: str, **options: Any) -> tuple[list[int], dict[str, Any]]:
    """The tokens of a text, and its lattice as one reads it in a file."""
    out = generate(translator, source, seed=0, **options)
    trace = with_lattice(translator, [source], out.trace)
    (entry,) = json.loads(json.dumps(trace.facts, allow_nan=False))["lattice"]
    assert {token for cell in entry["cells"] for token, _ in cell} <= set(trace.pieces)
    assert isinstance(out.tokens, list)
    return [token for token in out.tokens if isinstance(token, int)], entry


def written(translator: Translator, source: str, tokens: list[int]) -> Trace:
    """The trace of a text that someone else wrote, with room for nine tokens."""
    _, canvas = translator.begin([source], max_new_tokens=9)
    count = torch.tensor([len(tokens)])
    logprobs = torch.zeros(1, len(tokens))
    after = canvas.write(canvas.frontier_B, torch.tensor([tokens]), count, logprobs)
    return Trace(canvas, (Step.between(canvas, after.cut(0, 1 + len(tokens))),))


SURE = table({A: 0.9}, {A: 0.6, B: 0.3}, {BLANK: 0.8}, {A: 1.0}, {B: 0.9}, {BLANK: 1.0})


def test_cells_stand_for_the_tokens_that_they_spell():
    tokens, entry = seen(ctc(SURE), "abc")
    assert tokens == [A, A, B]
    assert entry["spells"] == [0, 0, -1, 1, 2, -1]
    assert (entry["kind"], entry["blank"], entry["begin"]) == ("ctc", BLANK, 1)
    assert (entry["source"], entry["spread"]) == (["a", "b", "c"], 2)
    assert entry["cells"][1] == [[A, 0.6], [B, 0.3], [9, 0.1]]
    assert entry["cells"][3] == [[A, 1.0]]
    assert entry["links"] is None


@pytest.mark.parametrize("seed", range(10))
def test_the_greedy_text_stands_on_the_likeliest_token_of_every_cell(seed: int):
    """That path is the likeliest of all, so it is the likeliest that spells its own text."""
    rng = torch.Generator().manual_seed(seed)
    p_1MV = (2 * torch.randn(1, 12, V, generator=rng)).softmax(-1)
    p_1MV[..., EOS] = 0  # which would cut the text off
    tokens, entry = seen(ctc(p_1MV), "abcdef", decoder="ctc-greedy")
    spelled = [BLANK if place < 0 else tokens[place] for place in entry["spells"]]
    assert spelled == [cell[0][0] for cell in entry["cells"]] == p_1MV[0].argmax(-1).tolist()
    assert [place for place in dict.fromkeys(entry["spells"]) if place >= 0] == [
        *range(len(tokens))
    ]


def test_a_cell_shows_what_it_spells_even_if_that_is_not_its_first_choice():
    """Blank and a in two cells: a is likelier than nothing, summed over three paths."""
    faint = {BLANK: 0.6, A: 0.4}
    tokens, entry = seen(ctc(table(faint, faint)), "a", decoder="ctc-beam")
    assert tokens == [A]
    assert sorted(entry["spells"]) == [-1, 0]
    assert entry["cells"][entry["spells"].index(0)][0] == [BLANK, 0.6]
    many = {BLANK: 0.5, **{token: 0.08 for token in range(V) if token != BLANK}}
    rest = {BLANK: 1.0}
    last = many | {A: 0.06, C: 0.1}
    trace = written(ctc(table(last, rest)), "a", [A])
    entry = with_lattice(ctc(table(last, rest)), ["a"], trace).facts["lattice"][0]
    assert len(entry["cells"][0]) == 6  # the likeliest five, and what it stands for
    assert entry["cells"][0][-1] == (A, 0.06)


@pytest.mark.parametrize("tokens", [[A, B, EOS], [A, BLANK], [A] * 4, [A, B, A, B, A, B, A]])
def test_a_text_that_no_path_spells_has_a_lattice_and_no_alignment(tokens: list[int]):
    """Cut off by its end, or with a blank in it; too long for six cells."""
    translator = ctc(SURE)
    trace = with_lattice(translator, ["abc"], written(translator, "abc", tokens))
    assert trace.facts["lattice"][0]["spells"] is None
    assert len(trace.facts["lattice"][0]["cells"]) == 6


def test_a_text_that_was_cut_off_is_not_laid_over_the_cells():
    tokens, entry = seen(ctc(SURE), "abc", max_new_tokens=2)
    assert tokens == [A, A]
    assert entry["spells"] is None


def test_an_empty_text_is_blanks_alone():
    _, entry = seen(ctc(table(*[{BLANK: 1.0}] * 2)), "a")
    assert entry["spells"] == [-1, -1]


SAID = table({A: 1.0}, {B: 0.7, C: 0.3}, {C: 0.6, B: 0.4}, {EOS: 1.0}, {A: 1.0}, {EOS: 1.0})


def graph(*links: tuple[int, int, float]) -> Tensor:
    p_1MM = torch.zeros(1, 6, 6)
    for one, other, p in links:
        p_1MM[0, one, other] = p
    return p_1MM


LINKS = graph(
    (0, 1, 0.6), (0, 2, 0.4), (1, 2, 0.1), (1, 5, 0.9), (2, 5, 1.0), (3, 4, 1.0), (4, 5, 1.0)
)


def test_a_text_is_a_path_through_the_vertices():
    tokens, entry = seen(dag(SAID, LINKS), "abc", decoder="dag-greedy")
    assert tokens == [A, B, EOS]
    assert entry["spells"] == [0, 1, -1, -1, -1, 2]
    assert entry["links"][:3] == [[[1, 0.6], [2, 0.4]], [[5, 0.9], [2, 0.1]], [[5, 1.0]]]
    assert entry["links"][5] == []
    assert entry["reached"] == pytest.approx([1.0, 0.6, 0.46, 0.0, 0.0, 1.0], abs=1e-5)
    assert entry["blank"] is None


def test_a_link_of_the_path_is_told_even_if_it_is_faint():
    links = graph((0, 1, 0.995), (0, 2, 0.005), (1, 5, 1.0), (2, 5, 1.0), (3, 5, 1.0), (4, 5, 1.0))
    said = table({A: 1.0}, {B: 1.0}, {C: 1.0}, {A: 1.0}, {A: 1.0}, {EOS: 1.0})
    translator = dag(said, links)
    entry = with_lattice(translator, ["abc"], written(translator, "abc", [A, C, EOS])).facts[
        "lattice"
    ][0]
    assert entry["spells"] == [0, -1, 1, -1, -1, 2]
    assert entry["links"][0] == [(1, 0.995), (2, 0.005)]


def test_a_graphs_text_that_fills_its_row_without_an_end_was_cut_off():
    tokens, entry = seen(dag(SAID, LINKS), "abc", decoder="dag-greedy", max_new_tokens=2)
    assert tokens == [A, B]
    assert entry["spells"] is None
    assert entry["links"][0] == [[1, 0.6], [2, 0.4]]


@pytest.mark.parametrize("kind", [CTCTransformer, DAGTransformer])
def test_rows_of_a_batch_have_lattices_of_their_own_length(kind: Any):
    translator = Translator(parallel(kind), UNITS, UNITS, "tiny", (EOS,))
    sources = ["abc", "d"]
    trace = with_lattice(translator, sources, generate(translator, sources, seed=0).trace)
    both = trace.facts["lattice"]
    assert [len(entry["cells"]) for entry in both] == [6, 2]
    alone = generate(translator, "d", seed=0).trace
    [entry] = with_lattice(translator, ["d"], alone).facts["lattice"]
    assert entry["spells"] == both[1]["spells"]
    for mine, other in zip(entry["cells"], both[1]["cells"], strict=True):
        assert dict(mine) == pytest.approx(dict(other), abs=1e-4)
    for path in ([m for m, n in enumerate(e["spells"] or []) if n >= 0] for e in both):
        assert all(one < then for one, then in pairwise(path))


def test_a_model_without_a_lattice_leaves_the_trace_as_it_is():
    translator = Translator(seq2seq(), UNITS, UNITS, "tiny", (EOS,))
    trace = generate(translator, "abc", seed=0, max_new_tokens=4).trace
    assert with_lattice(translator, ["abc"], trace) is trace


def test_the_sources_are_those_of_the_trace():
    trace = generate(ctc(SURE), "abc", seed=0).trace
    with pytest.raises(ValueError, match="not written from 2 sources"):
        with_lattice(ctc(SURE), ["abc", "cd"], trace)


def test_a_lattice_comes_back_from_a_file_and_stands_in_the_page(tmp_path: Path):
    trace = with_lattice(ctc(SURE), ["abc"], generate(ctc(SURE), "abc", seed=0).trace)
    trace.save(tmp_path / "trace.jsonl")
    back = Trace.load(tmp_path / "trace.jsonl")
    assert back.facts["lattice"] == json.loads(json.dumps(trace.facts["lattice"]))
    page = compare_page(
        [Group(name="abc", prompt="abc", runs=(Run(decoder="c", trace=trace),))], {}
    )
    assert '"spells":[0,0,-1,1,2,-1]' in page
