"""How often guesses of each rank are right, and the tree that is made for that."""

import json
from statistics import fmean

import pytest

from anyorder.decode.draft_verify.from_text.token_recycling import RANK_ODDS
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.ranks import Ranks
from tests.house.house import ROOT


def test_shares_of_ranks_are_those_of_all_drafts() -> None:
    bench = Bench(seeds=1, quick=True)
    (part,) = Ranks(row="it", kinds=("story",), ranks=4).parts(bench)
    shares = part.run()["it"]
    assert list(shares) == ["rank_1", "rank_2", "rank_3", "rank_4"]
    assert 0 < sum(shares.values()) <= 1


def test_the_tree_is_made_for_what_was_measured() -> None:
    rows = json.loads((ROOT / "results" / "token-recycling.json").read_text())["rows"]
    measured = {k: v for row in rows for k, v in row["metric"].items() if k.startswith("rank_")}
    assert len(measured) == len(RANK_ODDS)
    for k, odds in enumerate(RANK_ODDS):
        assert odds == pytest.approx(fmean(measured[f"rank_{k + 1}"]), abs=0.01)
