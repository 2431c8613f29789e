"""The tables of the page that helps to choose are those of the stored results."""

import json

import pytest

from benchmarks.choose import PAGE, by_batch, by_text, by_translator, page
from benchmarks.readme import ROOT


def test_speedups_by_text():
    rows = [
        {"decoder": "left-to-right", "task": "qa", "speedup": 1.0, "accepted": 1.0},
        {"decoder": "left-to-right", "task": "overall", "speedup": 1.0, "accepted": 1.0},
        {"decoder": "auto", "task": "qa", "speedup": 1.5, "accepted": 1.7},
        {"decoder": "auto", "task": "overall", "speedup": 1.25, "accepted": 1.6},
    ]
    assert by_text(rows).splitlines()[0] == "| | question | overall | tokens a call |"
    assert by_text(rows).splitlines()[3] == "| `auto` | 1.50 | 1.25 | 1.60 |"


def test_rates_by_batch():
    rows = [
        {"precision": "int8", "writer": "auto", "batch": 1, "tokens_per_s": 10.4},
        {"precision": "int8", "writer": "auto", "batch": 8, "tokens_per_s": 50.0},
        {"precision": "float32", "writer": "their own", "batch": 1, "tokens_per_s": 5.0},
        {"precision": "float32", "writer": "their own", "batch": 8, "tokens_per_s": 6.0},
    ]
    assert by_batch(rows).splitlines()[2:] == [
        "| int8 | `auto` | 10 | 50 |",
        "| float32 | their own | 5 | 6 |",
    ]


def test_what_a_translator_gains_is_a_mean_of_ratios_within_a_seed(tmp_path):
    def row(name, calls, cells, time, rate, bleu):
        metric = {"calls": calls, "cells": cells, "latency_ms": time, "per_second": rate}
        return {"system": name, "metric": metric | {"bleu": bleu}}

    plain = row("left to right", [20, 10], [10, 10], [10, 40], [100, 100], [20, 22])
    for name, bleu in {"space": [20, 22], "fastmtp": [19, 21]}.items():
        rows = [row(name, [10, 10], [20, 30], [20, 20], [50, 150], bleu), plain]
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": rows}))
    numbers = "0.75 | 2.5 | 1.25 ± 1.06 | 1.00 ± 0.71"
    assert by_translator(tmp_path).splitlines()[2:] == [
        f"| `space` | 6-6 | {numbers} | the same | [space](systems.md#space) |",
        f"| `recursive-head` | 6-1 | {numbers} | -1.0 | [fastmtp](systems.md#fastmtp) |",
    ]


def test_the_page_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, ROOT / "results") == text


def test_a_page_without_a_place_is_refused(tmp_path):
    for name in ("spec-bench-smollm2", "batches-smollm2", "head-smollm2"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": []}))
    with pytest.raises(ValueError, match="lacks the lines"):
        page("nothing", tmp_path)
