"""The arithmetic of the rows, and that a run of several decoders is named as it was asked for."""

import pytest

from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.system import Numbers

EXPERIMENT = Prompted(
    kinds=("story", "code"),
    decoders={"it": TokenRecycling(), "other": PromptCopy()},
    by_kind=True,
)


@pytest.fixture(scope="module")
def rows() -> Numbers:
    (first, _) = EXPERIMENT.parts(Bench(seeds=2, quick=True))
    assert (first.seed, first.stands_for) == (0, "prompt group 1 of 2")
    return first.run()


def test_every_decoder_has_a_row_and_one_a_kind(rows: Numbers) -> None:
    names = ["left-to-right", "it", "other"]
    per_kind = [f"{name} ({kind})" for kind in ("story", "code") for name in names]
    assert list(rows) == names + per_kind


def test_left_to_right_is_the_measure(rows: Numbers) -> None:
    base = rows["left-to-right"]
    assert base["calls"] == 12
    assert (base["tokens_per_call"], base["speedup"], base["same_text"]) == (1, 1, 1)


def test_drafting_takes_fewer_calls(rows: Numbers) -> None:
    assert rows["it"]["calls"] < 12
    assert rows["it"]["tokens_per_call"] == pytest.approx(12 / rows["it"]["calls"])
    speedup = rows["it"]["tokens_per_s"] / rows["left-to-right"]["tokens_per_s"]
    assert rows["it"]["speedup"] == pytest.approx(speedup)


def test_the_whole_is_the_mean_of_its_kinds(rows: Numbers) -> None:
    halves = [rows["it (story)"]["calls"], rows["it (code)"]["calls"]]
    assert rows["it"]["calls"] == pytest.approx(sum(halves) / 2)


def test_what_is_written_is_looked_at_if_it_is_asked_for(rows: Numbers) -> None:
    """A likelihood is that of the model, for whatever was written; a text agrees up to a token."""
    assert "same_tokens" not in rows["it"]
    decoders = {"exact": PromptCopy(), "not exact": Lenient(PromptCopy(), least=4)}
    experiment = Prompted(kinds=("edit",), decoders=decoders, texts=True)
    found = experiment.parts(Bench(seeds=2, quick=True))[0].run()
    base = found["left-to-right"]
    assert (base["same_tokens"], base["same_text"]) == (1, 1)
    assert found["exact"]["nats_per_token"] == pytest.approx(base["nats_per_token"])
    assert found["exact"]["same_tokens"] == 1
    assert 0 <= found["not exact"]["same_tokens"] < 1
    assert found["not exact"]["nats_per_token"] > base["nats_per_token"]
