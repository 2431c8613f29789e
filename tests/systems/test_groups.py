"""What acceptance by groups gains and costs, as it is measured."""

from functools import partial
from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.data.sprites import Sprites
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.groups import ByGroups, OnTables, Sampled, outcome
from anyorder.systems.experiments.pairs import DraftPair, nats_per_token
from anyorder.systems.experiments.school import Way

NOBODY = Speculative(TableLM.random(seed=0, vocab_size=2))


def two(*seeds: int) -> list[torch.Tensor]:
    made = (torch.randn(9, generator=torch.Generator().manual_seed(s)).double() for s in seeds)
    return [logits_V.softmax(-1) for logits_V in made]


def test_alone_in_its_group_a_guess_is_kept_as_often_as_ever_and_nothing_is_lost() -> None:
    p_V, q_V = two(1, 2)
    kept, written_V = outcome(Grouped(NOBODY, reach=0), p_V, q_V)
    assert kept == pytest.approx(float(p_V.minimum(q_V).sum()))
    torch.testing.assert_close(written_V, p_V)


def test_in_one_group_all_is_kept_and_the_draft_is_what_is_written() -> None:
    p_V, q_V = two(1, 2)
    kept, written_V = outcome(Grouped(NOBODY, gap=1.0, reach=9), p_V, q_V)
    assert kept == pytest.approx(1.0)
    torch.testing.assert_close(written_V, q_V)


def test_on_tables_the_exact_judge_is_at_no_distance() -> None:
    judges = {"exact": Grouped(NOBODY, reach=0), "all": Grouped(NOBODY, gap=1.0, reach=99)}
    rows = OnTables(judges, pairs=4).measure(Bench(seeds=1), 0)
    assert rows["exact"]["distance"] == pytest.approx(0.0, abs=1e-9)
    assert rows["all"]["kept"] == pytest.approx(1.0)
    # the draft is written then, and it is as far as its guesses are refused by the exact judge
    assert rows["all"]["distance"] == pytest.approx(1 - rows["exact"]["kept"])


def test_texts_that_are_sampled() -> None:
    decoders: dict[str, Any] = {
        "exact": partial(Speculative, width=11),
        "alone": ByGroups(width=11, reach=0),
        "all": ByGroups(width=11, gap=1.0, reach=10**6),
    }
    (part,) = Sampled(kinds=("story",), decoders=decoders).parts(Bench(seeds=1, quick=True))
    rows = part.run()
    assert rows["exact"] == rows["alone"]
    assert rows["all"]["tokens_per_call"] > rows["exact"]["tokens_per_call"]


def test_images_are_scored_and_judged_by_the_target() -> None:
    own = Way("deep-shallow")
    decoders = {"one": partial(Speculative, width=3), "groups": ByGroups(width=3)}
    pair = DraftPair(task=Sprites(), target=own, draft=own, decoders=decoders, judged=True)
    rows = pair.measure(Bench(seeds=1, quick=True), 0)
    assert rows["one"] == rows["groups"]  # a draft that is the target is never refused
    assert rows["one"]["error"] > 0
    assert rows["one"]["nats_per_token"] > 0


def test_nats_are_those_of_what_was_written() -> None:
    canvas = Canvas.of_prompts([[0], [0, 1]], new_cells=[2, 1])
    logprobs = torch.tensor([[-1.0, -2.0], [-6.0, -9.0]])
    tokens = torch.tensor([[3, 3], [3, 3]])
    written = canvas.write(canvas.frontier_B, tokens, torch.tensor([2, 1]), logprobs)
    assert nats_per_token([written]) == 3.0
