"""Decoders side by side: which run counts, which decoders are one, and what does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode import Jacobi, LeftToRight, PromptCopy, Speculative
from anyorder.decode.generate import generate
from anyorder.decode.left_to_right.plain import Reading
from anyorder.decode.sampling import Sampler
from anyorder.measure import compare as module
from anyorder.measure import near_ties
from anyorder.measure.compare import Comparison, compare, comparing
from anyorder.measure.contestants import with_baseline
from anyorder.models.capability import CausalLM
from anyorder.systems.tiny import tiny
from tests.laws.cases import transformer

PROMPTS = {"abc": "abcabc", "dad": "dad, dad"}


class Denoiser:
    """A capability that no model here has."""


@dataclass(frozen=True)
class Impossible(LeftToRight):
    needs: ClassVar[tuple[type, ...]] = (CausalLM, Denoiser)


def toy(width: int = 1) -> Any:
    """Another class at each call, as of two files, and always of the same name."""

    @dataclass(frozen=True)
    class Toy(LeftToRight):
        size: int = width

    return Toy()


@pytest.mark.parametrize(
    ("seconds", "middle"),
    [([3.0], 3.0), ([3.0, 1.0], 1.0), ([9.0, 2.0, 4.0], 4.0), ([4.0, 3.0, 1.0, 2.0], 2.0)],
)
def test_the_median_run_counts(seconds: Sequence[float], middle: float) -> None:
    """Of two the faster one, wherever it stands."""
    out = generate(tiny(), "abc", decoder=LeftToRight(), max_new_tokens=1)
    (step,) = out.trace.steps
    timed = [replace(out.trace, steps=(replace(step, seconds=s),)) for s in seconds]
    chosen = module._median([replace(out, trace=trace) for trace in timed])
    assert chosen.cost.seconds == middle


@pytest.mark.parametrize("odd", range(3))
def test_what_any_run_of_a_prompt_noted_is_told(odd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = list[str]()

    def noting(*args: Any, decoder: Any, **options: Any) -> Any:
        out = generate(*args, decoder=decoder, **options)
        if isinstance(decoder, Jacobi):
            runs.append("jacobi")
            if len(runs) - 1 == odd:
                first, *others = out.trace.steps
                steps = (replace(first, note="it failed"), *others)
                out = replace(out, trace=replace(out.trace, steps=steps))
        return out

    monkeypatch.setattr(module, "generate", noting)
    done = compare(tiny(), ["abc"], ["jacobi"], max_new_tokens=4, repeats=3)
    assert len(runs) == 3
    assert done.notes["jacobi"] == [["it failed"]]


def test_one_prompt_and_one_decoder_may_stand_alone() -> None:
    for decoder in ("jacobi", Jacobi()):
        done = compare(tiny(), "hi there", decoder, max_new_tokens=2)
        assert [row.decoder for row in done.rows] == ["left-to-right", "jacobi"]
        assert [run.output.trace.facts["prompts"] for run in done.runs] == [["hi there"]] * 2


@pytest.mark.parametrize(
    ("decoders", "sentence"),
    [(Jacobi, "Jacobi is a class; make a decoder"), ([5], "a decoder is needed"), (5, "not 5")],
)
def test_what_is_no_decoder_is_one_sentence(decoders: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        compare(tiny(), "abc", decoders)


def test_rows_and_runs_are_of_all_prompts() -> None:
    done = compare(tiny(), PROMPTS, [Jacobi(), PromptCopy()], max_new_tokens=6, repeats=2)
    assert [row.decoder for row in done.rows] == ["left-to-right", "jacobi", "prompt-copy"]
    assert {(row.same_text, row.prompts) for row in done.rows} == {(2, 2)}
    assert len(done.runs) == 6
    assert done.near_ties is None, "nobody looks at near-ties in float32"
    plain, jacobi, _ = done.rows
    assert plain.draft_seconds == 0 < jacobi.draft_seconds < jacobi.seconds
    head, first, second, *_ = str(done).splitlines()
    at = head.index("draft time"), head.index("draft time") + len("draft time")
    assert first[slice(*at)].strip() == ""
    assert second[slice(*at)].strip() == f"{jacobi.draft_seconds / jacobi.seconds:.0%}"


def test_near_ties_are_the_same_however_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = tiny("bfloat16")
    for slices in (64, 5, 1):
        monkeypatch.setattr(near_ties, "SLICE", slices)
        out = generate(lm, "abcabc", decoder=LeftToRight(), max_new_tokens=14)
        tokens = torch.tensor([[*out.trace.start.row(0), *out.tokens]])
        logits = lm.model.extend(tokens, lm.model.new_cache(1, 20))[0, 5:-1]
        best = logits.topk(2, -1).values
        assert near_ties.gaps(lm, out) == pytest.approx((best[:, 0] - best[:, 1]).tolist())
    near = compare(lm, ["abcabc"], [Jacobi()], max_new_tokens=14).near_ties
    assert near is not None
    assert 0 <= near <= 1


def test_decoders_of_one_name_are_told_apart() -> None:
    """Equal ones are one; unequal ones have numbers, however they are called."""
    small, large = tiny(), tiny()
    asked = [LeftToRight(), Jacobi(), Jacobi(), toy(), toy(), Speculative(small)]
    named = with_baseline([*asked, Speculative(small), Speculative(large)])
    assert list(named) == [
        "left-to-right",
        "jacobi",
        "toy",
        "toy (2)",
        "speculative:draft_model=tiny-float32",
        "speculative:draft_model=tiny-float32 (2)",
    ]
    assert named["toy"] != named["toy (2)"]
    done = compare(small, ["abc"], [toy(), toy()], max_new_tokens=3)
    assert [row.decoder for row in done.rows] == ["left-to-right", "toy", "toy (2)"]


def test_draft_models_of_tensors_are_told_apart() -> None:
    """Two networks loaded from one file can't be compared, and need not be."""
    drafts = [transformer(0), transformer(0)]
    assert len(with_baseline([Speculative(drafts[0]), Speculative(drafts[1])])) == 3


def test_a_decoder_that_does_not_fit_is_left_out_and_the_others_run() -> None:
    done = compare(tiny(), PROMPTS, [Impossible(), Jacobi()], max_new_tokens=4)
    assert [row.decoder for row in done.rows] == ["left-to-right", "jacobi"]
    why = done.left_out["impossible"]
    assert why.startswith("Impossible needs a Denoiser, and this model is none: ")
    assert str(done).splitlines()[-1] == f"impossible: {why}"
    with pytest.raises(ValueError, match="Impossible needs a Denoiser"):
        compare(tiny(), PROMPTS, [Impossible()], max_new_tokens=4)


@dataclass(frozen=True)
class Moody(LeftToRight):
    """Fails at any prompt of more tokens than it likes."""

    likes: int = 0

    def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> Reading:
        if int(canvas.frontier_B[0]) > self.likes:
            raise KeyError("oops")
        return super().start(model, canvas, sampler)


def test_a_decoder_that_fails_is_left_out_whenever_it_does() -> None:
    """At once, or after some prompts: all rows are over the same prompts."""
    prompts = {"short": "ab", "long": "abcabcabc"}
    done = compare(tiny(), prompts, [Moody(likes=4), "jacobi"], max_new_tokens=4)
    assert [(row.decoder, row.prompts) for row in done.rows] == [
        ("left-to-right", 2),
        ("jacobi", 2),
    ]
    assert done.left_out == {"moody:likes=4": "it failed at long: KeyError: 'oops'"}
    assert done.failed == {"moody:likes=4"}
    last = compare(tiny(), prompts, ["jacobi", Moody(likes=4)], max_new_tokens=4)
    assert last.left_out == done.left_out
    done = compare(tiny(), prompts, [Moody(), Jacobi()], max_new_tokens=4)
    assert done.left_out == {"moody": "it failed at the first prompt: KeyError: 'oops'"}
    with pytest.raises(ValueError, match=r"moody: it failed at the first prompt: KeyError"):
        compare(tiny(), prompts, [Moody()], max_new_tokens=4)


def test_repeats_of_a_finished_prompt_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A median is taken of the repeats of one prompt, never over all that went before."""
    held: list[int] = []
    real = module._median
    monkeypatch.setattr(module, "_median", lambda outs: held.append(len(outs)) or real(outs))
    so_far: list[Comparison] = list(
        comparing(tiny(), PROMPTS, [Jacobi()], max_new_tokens=2, repeats=3)
    )
    assert [len(done.runs) for done in so_far] == [1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4]
    assert held == [1, 1, 2, 2, 3, 3] * 2


def test_where_calls_are_captured_a_first_run_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm, ran = tiny("float32"), list[str]()

    def heard(lm: Any, prompt: str, **options: Any) -> Any:
        ran.append(prompt)
        return generate(lm, prompt, **options)

    monkeypatch.setattr(module, "generate", heard)
    monkeypatch.setattr(type(lm.model), "captures", True, raising=False)
    found = compare(lm, ["a cat", "a dog"], ["prompt-copy"], max_new_tokens=4, repeats=2)
    assert ran == ["a cat"] * 6 + ["a dog"] * 6  # two of each six are not counted
    assert [row.prompts for row in found.rows] == [2, 2]


def test_nothing_to_compare_is_one_sentence() -> None:
    for prompts, repeats in (({}, 1), (PROMPTS, 0)):
        with pytest.raises(ValueError, match="there is nothing to compare"):
            compare(tiny(), prompts, [Jacobi()], repeats=repeats)
