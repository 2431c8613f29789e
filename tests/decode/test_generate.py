"""Text in, text out: seeds, what ends a text, what is streamed, and the trace that is left."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from anyorder.canvas import DONE, Canvas
from anyorder.decode import Jacobi, LeftToRight
from anyorder.decode.generate import _chosen, _seeds, _texts, generate
from anyorder.decode.writing import pieces_of
from anyorder.models.language_model import LanguageModel
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.tiny import tiny
from anyorder.trace import Change, Likeliest, Step, Trace, fold
from anyorder.units.text import TextUnits
from tests.units import tokenizers_made_here as made

LM = tiny()


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)])
def test_any_whole_number_is_a_seed(seed: Any) -> None:
    out = generate(LM, ["abc", "dad"], seed=seed, temperature=1.0, max_new_tokens=4)
    assert out.seeds == (3, 4)
    assert all(type(one) is int for one in out.trace.facts["seeds"])
    apart = generate(LM, ["abc", "dad"], seed=np.array([3, 4]), temperature=1.0, max_new_tokens=4)
    assert apart.text == out.text


def test_no_seed_is_another_one_each_time() -> None:
    assert len({generate(LM, "abc", max_new_tokens=1).seeds for _ in range(4)}) > 1


@pytest.mark.parametrize(
    ("seed", "sentence"),
    [
        (1.5, "a seed is a whole number, or one for each prompt, not 1.5"),
        ([1, 2.5], "a seed is a whole number, or one for each prompt"),
        ([1], "1 seeds were given for 2 prompts"),
        (-1, "a seed is 0 or more, not -1"),
    ],
)
def test_what_is_no_seed_is_one_sentence(seed: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        _seeds(seed, 2)


@pytest.mark.parametrize("prompt", ["a\ud800", ["abc", "\udfff"]])
def test_half_a_character_is_one_sentence(prompt: Any) -> None:
    with pytest.raises(ValueError, match=r"^a prompt has half a character \(a lone surrogate\)"):
        generate(LM, prompt)


def test_a_chat_without_a_template_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="tiny-float32 has no chat template: leave chat out"):
        generate(LM, "abc", chat=True)
    assert generate(LM, "abc", max_new_tokens=1, chat=False).text


def narrow(cells: int) -> LanguageModel:
    """The same model, with room for so many tokens."""
    assert isinstance(LM.model, TableLM)
    return replace(LM, model=replace(LM.model, max_length=cells))


def test_a_full_context_is_told_from_the_length_that_was_asked() -> None:
    lm = narrow(8)
    out = generate(lm, ["abc", "abcdef"], max_new_tokens=5)
    assert [len(row) for row in out.tokens] == [5, 2]  # type: ignore[arg-type]
    assert out.finish == ["length", "context"]
    assert generate(lm, "abcdef", max_new_tokens=2).finish == "length", "all that was asked"
    ended = generate(lm, "abcdef", max_new_tokens=9, stop=generate(lm, "abcdef").text[0])
    assert ended.finish == "stop"


def test_an_output_shows_no_trace() -> None:
    one = generate(LM, "abc", max_new_tokens=6, decoder=LeftToRight())
    seconds = f"{one.cost.seconds:.2f}"
    assert repr(one) == (
        f"Output(text={one.text!r}, tokens=6, calls=6, seconds={seconds}, finish='length')"
    )
    many = repr(generate(LM, ["abc", "dad"] * 4, max_new_tokens=250))
    assert "tokens=[250, 250, 250, 250, 250, 250, ...]" in many
    assert len(many) < 2000
    assert str(one) == repr(one)


@pytest.mark.parametrize("chat", [None, True, False])
def test_an_empty_prompt_is_refused_chat_or_not(chat: bool | None) -> None:
    lm = replace(LM, units=TextUnits(made.byte_level()))
    assert lm.units.has_chat
    with pytest.raises(ValueError, match=r"^prompt 2 is empty"):
        lm.begin(["abc", ""], max_new_tokens=1, chat=chat)


def ended_by_a_letter() -> tuple[LanguageModel, str]:
    """A model whose text ends with a letter that is not special to its tokenizer."""
    whole = generate(LM, "abc", decoder=LeftToRight(), max_new_tokens=12).tokens
    last = whole[5]
    assert isinstance(last, int)
    return replace(LM, eos_ids=(last,)), LM.units.decode([last])


@pytest.mark.parametrize("decoder", [LeftToRight(), Jacobi(block=4)])
def test_the_token_that_ends_a_text_stands_in_no_text_streamed_or_not(decoder: Any) -> None:
    lm, letter = ended_by_a_letter()
    said: list[str] = []
    out = generate(
        lm,
        "abc",
        decoder=decoder,
        max_new_tokens=12,
        on_text=lambda row, piece: said.append(piece),
    )
    assert out.finish == "eos"
    assert out.tokens[-1] in lm.eos_ids
    assert isinstance(out.text, str)
    assert letter not in out.text
    assert "".join(said) == out.text


def test_a_batch_streams_each_row_s_own_text() -> None:
    heard = {0: "", 1: ""}
    out = generate(
        LM,
        ["abc", "dad, dad"],
        max_new_tokens=9,
        on_text=lambda row, piece: heard.update({row: heard[row] + piece}),
    )
    assert list(heard.values()) == out.text


def test_each_step_is_told_with_the_steps_before_it() -> None:
    told: list[Trace] = []
    out = generate(LM, "abc", decoder=LeftToRight(), max_new_tokens=5, on_step=told.append)
    assert [len(trace.steps) for trace in told] == [1, 2, 3, 4, 5]
    assert told[-1].steps == out.trace.steps
    assert fold(told[2]).row(0) == fold(out.trace).row(0)[:6]


def test_a_token_is_spelt_once_however_many_traces_show_it() -> None:
    lm = replace(LM, units=TextUnits(LM.units.tokenizer))
    trace = generate(lm, "abc", decoder=Jacobi(block=4), max_new_tokens=9).trace
    drafted = {t for step in trace.steps for call in step.calls for t in call.tokens_BT[0]}
    assert drafted <= trace.pieces.keys()
    assert trace.pieces == {token: LM.units.piece(token) for token in trace.pieces}
    kept = dict(lm.units._pieces)
    lm.units._pieces.update(dict.fromkeys(kept, "known"))
    assert set(pieces_of(lm, trace).values()) == {"known"}


def test_alternatives_are_spelt_too() -> None:
    told = Step(
        (), (Change(0, 1, 5, DONE, 0.0),), likeliest=(Likeliest(0, 1, ((5, 0.0), (9, -1.0))),)
    )
    trace = Trace(Canvas.of_prompts([[3]], new_cells=[1]), (told,))
    assert pieces_of(LM, trace) == {token: LM.units.piece(token) for token in (0, 3, 5, 9)}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: _chosen("smollm2", "auto"), "generate needs a loaded model: anyorder.load"),
        (lambda: _chosen(LM, Jacobi), r"Jacobi is a class; make a decoder of it: Jacobi\(\)"),
        (lambda: _chosen(LM, 7), "a decoder is needed, or the name of one, not 7"),
        (lambda: _texts(None, "a prompt"), "a prompt is text, not None"),
        (lambda: _texts([1, 2], "a prompt"), "a prompt is text, not 1"),
        (lambda: _texts(5, "a stop string"), "a stop string is text, not 5"),
    ],
)
def test_what_is_no_model_decoder_or_text_is_one_sentence(wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wrong()
