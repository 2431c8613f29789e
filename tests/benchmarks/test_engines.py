"""Ours and transformers on the same small checkpoint: the same ids, the same scores."""

import pytest

from benchmarks.engines.engine import Task
from benchmarks.engines.hugging import Hugging, options_of
from benchmarks.engines.ours import Ours
from tests.models import made

PROMPT = [5, 9, 5, 9, 5, 9, 5]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(made.folder(tmp_path_factory.mktemp("llama")))


def task(decoder: str, *, new: int = 12, eos: tuple[int, ...] = (0,)) -> Task:
    return Task("float32", decoder, PROMPT, new, list(eos))


def test_all_write_the_same_tokens(checkpoint: str) -> None:
    ours, hugging = Ours(model=checkpoint, threads=1), Hugging(model=checkpoint, threads=1)
    plain = hugging.write(task("greedy"))
    assert len(plain.tokens) == plain.calls == 12
    assert 0 < plain.first_seconds < plain.seconds
    for decoder in ("left-to-right", "prompt-copy", "jacobi"):
        written = ours.write(task(decoder))
        assert written.tokens == plain.tokens
        assert 0 < written.calls <= 12
        assert 0 < written.first_seconds < written.seconds
    for decoder in ("prompt-lookup", "assisted:layers=1"):
        written = hugging.write(task(decoder))
        assert written.tokens == plain.tokens
        assert (written.draft_calls > 0) == (decoder == "assisted:layers=1")


def test_all_end_with_the_same_token(checkpoint: str) -> None:
    ours, hugging = Ours(model=checkpoint, threads=1), Hugging(model=checkpoint, threads=1)
    end = hugging.write(task("greedy")).tokens[3]
    ended = hugging.write(task("greedy", eos=(end,))).tokens
    assert ended[-1] == end
    assert ours.write(task("left-to-right", eos=(end,))).tokens == ended


def test_all_score_alike(checkpoint: str) -> None:
    windows = [[5, 9, 11, 200], [7, 8]]
    ours = Ours(model=checkpoint, threads=1).score("float32", windows)
    hugging = Hugging(model=checkpoint, threads=1).score("float32", windows)
    assert [len(row) for row in ours["logprobs"]] == [3, 1]
    assert ours["best"] == hugging["best"]
    for mine, yours in zip(ours["logprobs"], hugging["logprobs"], strict=True):
        assert mine == pytest.approx(yours, abs=1e-3)


def test_ours_says_what_it_is_and_turns_texts_into_ids(checkpoint: str) -> None:
    ours = Ours(model=checkpoint, threads=1)
    assert ours.hello()["precisions"] == ["float32", "bfloat16", "int8"]
    plain, chat = (ours.encode(["the cat", "the hat"], chat=chat) for chat in (False, True))
    assert len(plain["rows"]) == 2
    assert len(chat["rows"][0]) > len(plain["rows"][0]), "with the template around it"
    assert plain["eos"] == [0]


def test_an_unknown_way_to_generate_is_refused() -> None:
    assert options_of("greedy") == {}
    assert options_of("assisted:layers=4") == {"assistant_early_exit": 4}
    with pytest.raises(ValueError, match="no 'beam'"):
        options_of("beam")
