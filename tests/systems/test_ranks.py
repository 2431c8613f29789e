"""How often guesses of each rank are right, and the tree that is made for that."""

import json
from collections import Counter
from functools import partial
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.draft_verify.from_models.draft_tree import FixedTree
from anyorder.decode.draft_verify.from_text.token_recycling import RANK_ODDS
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.show.provenance import story
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.ranks import Ranks, RanksOfPair, falling, told
from anyorder.systems.experiments.school import Way
from anyorder.trace import fold
from tests.house.house import ROOT


def random_table(seed: int) -> Any:
    return TableLM.random(seed=seed, vocab_size=7)


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


def test_a_guess_of_this_rank_is_the_one_that_a_tree_of_all_ranks_has_accepted() -> None:
    V, prompt, new = 7, 2, 40
    target, draft = random_table(1), random_table(2)
    flat = FixedTree(draft, size=V, rank_odds=(1 / (V + 1),) * V)
    canvas = Canvas.of_prompts([[1, 2]], new_cells=[new])
    trace = run(flat, target, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=prompt + new)))
    ranks, checked = told(draft, fold(trace)), 0
    assert len(ranks) == new - 1, "before the first token nothing is drafted"
    frames = story(trace)
    for before, after in pairwise(frames):
        if after.draft is not None:
            assert after.draft.accepted[0] == ranks[before.frontier - prompt - 1]
            checked += 1
    assert checked > new / 3
    assert len(set(ranks)) > 2


def test_texts_of_several_lengths_are_counted_row_by_row() -> None:
    draft = random_table(2)
    rows = [[1, 4, 2, 6, 3], [5, 5, 1]]
    canvas = Canvas.of_prompts([row[:1] for row in rows], new_cells=[4, 4])
    tokens = torch.tensor([rows[0][1:], [*rows[1][1:], 0, 0]])
    canvas = canvas.write(canvas.frontier_B, tokens, torch.tensor([4, 2]))
    wanted = Counter[int]()
    for row in rows:
        said = draft.extend(torch.tensor([row]), draft.new_cache(1, 9))[0]
        order = said.argsort(-1, descending=True).tolist()
        wanted.update(order[at - 1].index(row[at]) for at in range(2, len(row)))
    assert Counter(told(draft, canvas)) == wanted


def test_odds_are_those_of_a_tree() -> None:
    for found in ([], [0] * 50, [1] * 50, [9] * 50, [0, 2, 2, 1]):
        odds = falling(found, 8)
        FixedTree(None, rank_odds=odds)  # raises ValueError for others
    assert falling([0] * 62 + [1] * 13 + [9] * 25, 2) == pytest.approx((0.62, 0.13), abs=0.01)


def test_a_draft_that_is_the_target_is_always_right_at_once() -> None:
    own = Way("deep-shallow")
    pair = DraftPair(
        task=CopyOrReverse(length=3, alphabet=5, pairs=50),
        target=own,
        draft=own,
        temperature=0.0,
        decoders={"even odds": partial(FixedTree, size=2, rank_odds=(0.4, 0.4))},
    )
    made = {"as counted": partial(FixedTree, size=2)}
    ranks = RanksOfPair(row="it", pair=pair, made=made, ranks=3)
    (part,) = ranks.parts(Bench(seeds=1, quick=True))
    rows = part.run()
    assert set(rows) == {"it", "even odds", "as counted"}
    assert (rows["it"]["rank_1"], rows["it"]["rank_2"]) == (1, 0)
    assert rows["it"]["tokens"] > 0
    # which is a chain, and not two guesses side by side
    assert rows["as counted"]["tokens_per_call"] > rows["even odds"]["tokens_per_call"]
