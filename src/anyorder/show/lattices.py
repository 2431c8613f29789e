"""What a parallel model said of all cells at once, as plain data in a trace: the page draws it.

    out = generate(translator, sources)
    trace = with_lattice(translator, sources, out.trace)     # trace.facts["lattice"][row]

The network is asked once more, outside of the run that was timed. Each entry is a `Lattice` as a
dict: `player/lattice.js` reads it and nothing else. A model without a lattice leaves the trace as
it is.
Shapes: B rows, M cells (of a graph: vertices), V vocabulary, N tokens written, K shown of a cell.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align import ctc, dag
from anyorder.align.lattice import CTCLattice, DAGLattice
from anyorder.canvas import GIVEN
from anyorder.decode.writing import raw_of
from anyorder.models.capability import CTCModel, DAGModel
from anyorder.models.translator import Translator
from anyorder.trace import Trace, fold

Scored = tuple[int, float]  # a token or a vertex, and its probability

TOKENS: Final = 5  # of a cell that are shown at most
LINKS: Final = 8  # of a vertex
FAINT_TOKEN, FAINT_LINK = 0.001, 0.01  # less is not worth a line, or an arc
DIGITS: Final = 5  # of a probability


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """One row's lattice and how its text is read off it.

    `cells` has the likeliest tokens of each cell, the likeliest first, and the one it spells.
    `spells` says of each cell which token of the written text (from 0) it stands for on the
    likeliest path that writes this text, -1: none (a blank; a vertex beside the path). It is None
    where the lattice can't spell the text: one that was cut off.
    A graph has `links`, the likeliest from each vertex and that of the path, and `reached`, the
    chance that a path comes by.
    `begin` is the cell of the canvas in which the text begins; `source` are pieces of the source,
    each of which became `spread` cells.
    """

    kind: Literal["ctc", "dag"]
    cells: list[list[Scored]]
    spells: list[int] | None
    begin: int
    blank: int | None = None
    links: list[list[Scored]] | None = None
    reached: list[float] | None = None
    source: list[str]
    spread: int


def with_lattice(translator: Translator, sources: Sequence[str], trace: Trace) -> Trace:
    """The trace with the lattice of each row among its facts, and the pieces that it shows.

    `trace` is finished and has a row for each source. Raises ValueError if it has not.
    """
    if len(sources) != len(trace.start.tokens_BN):
        raise ValueError(
            f"a trace of {len(trace.start.tokens_BN)} rows was not written from "
            f"{len(sources)} sources; give those that it was written from"
        )
    model, _ = translator.begin(sources, max_new_tokens=1)
    with torch.inference_mode():
        lattice = _asked(model)
        if lattice is None:
            return trace
        text_BN, text_B, whole_B = _written(trace, translator.eos_ids, lattice)
        spells_BM, fits_B = _spelled(lattice, text_BN, text_B)
        rows = [
            _row(lattice, b, text_BN[b], spells_BM[b] if fits else None)
            for b, fits in enumerate((fits_B & whole_B).tolist())
        ]
    begin_B = _given(trace).tolist()
    entries = [
        Lattice(**row, begin=begin, **_made_of(translator, source))
        for row, begin, source in zip(rows, begin_B, sources, strict=True)
    ]
    shown = {token for entry in entries for cell in entry.cells for token, _ in cell}
    pieces = {token: translator.units.piece(token) for token in sorted(shown)}
    facts = trace.facts | {"lattice": [asdict(entry) for entry in entries]}
    raw = raw_of(translator, pieces) | trace.raw
    return replace(trace, facts=facts, pieces=pieces | trace.pieces, raw=raw)


def _asked(model: Any) -> CTCLattice | DAGLattice | None:
    """The lattice of a network that has read its sources; None where it makes none."""
    if isinstance(model, CTCModel):
        return model.ctc()
    return model.dag() if isinstance(model, DAGModel) else None


def _given(trace: Trace) -> Int[Tensor, " B"]:
    return (trace.start.status_BN == GIVEN).long().cumprod(-1).sum(-1)


def _written(
    trace: Trace, eos_ids: Sequence[int], lattice: CTCLattice | DAGLattice
) -> tuple[Int[Tensor, "B N"], Int[Tensor, " B"], Bool[Tensor, " B"]]:
    """The text of each row, its length, and whether it is all that a path through the cells says.

    Paths of a graph say the end of a text, too; paths of CTC don't, so there an end cut them off.
    Another text that fills its row was cut off, or may have been.
    """
    canvas, begin_B = fold(trace), _given(trace).tolist()
    texts = [canvas.row(b)[begin:] for b, begin in enumerate(begin_B)]
    N = max(1, *map(len, texts))
    text_BN = torch.tensor([text + [0] * (N - len(text)) for text in texts])
    room_B = trace.start.length_B.tolist()
    whole = []
    for text, begin, room in zip(texts, begin_B, room_B, strict=True):
        ended, has_room = bool(text) and text[-1] in eos_ids, begin + len(text) < room
        if isinstance(lattice, DAGLattice):
            whole.append(ended or has_room)
        else:
            whole.append(not ended and has_room and lattice.blank not in text)
    # a text that no path says is not asked about: the blank in it would be an error
    text_B = torch.tensor([len(text) * ok for text, ok in zip(texts, whole, strict=True)])
    return text_BN, text_B, torch.tensor(whole)


def _spelled(
    lattice: CTCLattice | DAGLattice, text_BN: Int[Tensor, "B N"], text_B: Int[Tensor, " B"]
) -> tuple[Int[Tensor, "B M"], Bool[Tensor, " B"]]:
    """Which token of the text each cell stands for (-1: none), and whether any path writes it."""
    B, M, _ = lattice.logp_BMV.shape
    if isinstance(lattice, DAGLattice):
        path_BN, fits_B = dag.best_paths(lattice, text_BN, text_B)
        place_N = torch.arange(path_BN.shape[1])
        at_BN = path_BN.where(place_N < text_B[:, None], M)  # padding: a column that is cut off
        spells_BM = torch.full((B, M + 1), -1).scatter_(1, at_BN, place_N.expand_as(at_BN))
        return spells_BM[:, :M], fits_B
    path_BM, fits_B = ctc.best_paths(lattice, text_BN, text_B)
    first_BM = ctc.spelled(path_BM, lattice.count_B, lattice.blank)
    return (first_BM.cumsum(1) - 1).where(path_BM != lattice.blank, -1), fits_B


def _row(
    lattice: CTCLattice | DAGLattice,
    b: int,
    text_N: Int[Tensor, " N"],
    spells_M: Int[Tensor, " M"] | None,
) -> dict[str, Any]:
    """What a `Lattice` says of row `b`, but for what it was made of."""
    M = int(lattice.count_B[b])
    p_MV = lattice.logp_BMV[b, :M].double().exp()
    spells = None if spells_M is None else spells_M[:M].tolist()
    is_graph = isinstance(lattice, DAGLattice)
    blank = None if is_graph else lattice.blank
    cells = _likeliest(p_MV, TOKENS, FAINT_TOKEN)
    for cell, p_V, place in zip(cells, p_MV, spells or [], strict=False):
        token = int(text_N[place]) if place >= 0 else blank
        if token is not None and all(token != other for other, _ in cell):
            cell.append((token, round(float(p_V[token]), DIGITS)))
    said = {"kind": "dag" if is_graph else "ctc", "blank": blank, "cells": cells, "spells": spells}
    return said | _graph(lattice, b, spells) if is_graph else said


def _graph(lattice: DAGLattice, b: int, spells: list[int] | None) -> dict[str, Any]:
    """The links of row `b`, and how likely its vertices are reached."""
    M = int(lattice.count_B[b])
    p_MM = lattice.links_BMM[b, :M, :M].double().exp().triu(1)
    links = _likeliest(p_MM, LINKS, FAINT_LINK)
    links = [[link for link in row if link[1] >= FAINT_LINK] for row in links]  # a last vertex
    path = [m for m, place in enumerate(spells or []) if place >= 0]
    for one, then in pairwise(path):
        if all(then != other for other, _ in links[one]):
            links[one].append((then, round(float(p_MM[one, then]), DIGITS)))
    reached_M = torch.zeros(M, dtype=torch.double)
    reached_M[:1] = 1.0
    for m in range(M):  # all links lead to the right
        reached_M = reached_M + reached_M[m] * p_MM[m]
    return {"links": links, "reached": [round(p, DIGITS) for p in reached_M.tolist()]}


def _likeliest(p_MV: Float[Tensor, "M V"], most: int, least: float) -> list[list[Scored]]:
    """Of each row the `most` likeliest, the likeliest first, those below `least` left out; one
    stays.
    """
    top = p_MV.topk(min(most, p_MV.shape[1]), -1)
    return [
        [
            (i, round(p, DIGITS))
            for n, (p, i) in enumerate(zip(ps, ids, strict=True))
            if not n or p >= least
        ]
        for ps, ids in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]


def _made_of(translator: Translator, source: str) -> dict[str, Any]:
    """Pieces of the source, and how many cells each became (0: the model does not say)."""
    ids = translator.source_units.encode(source)
    spread = getattr(translator.net.sizes, "spread", 0)
    return {"source": [translator.source_units.piece(i) for i in ids], "spread": spread}
