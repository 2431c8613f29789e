"""A verdict that can't fail says nothing: systems that were broken on purpose must be found out."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from anyorder.canvas import Canvas
from anyorder.decode.left_to_right.plain import LeftToRight, Reading
from anyorder.decode.sampling import Sampler
from anyorder.measure.results import Verdict
from anyorder.models.capability import CausalLM
from anyorder.systems import reproduce as module
from anyorder.systems.catalogue import system
from anyorder.systems.claims import AtLeast, AtMost, Claim, Less, Rule
from anyorder.systems.experiments import speculation
from anyorder.systems.experiments.memory import Memory
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.reproduce import reproduce


@dataclass(frozen=True)
class Liar:
    """Says that it is exact, and writes another token every now and then."""

    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[type, ...]] = (CausalLM,)

    def most_calls(self, canvas: Canvas) -> int:
        return LeftToRight().most_calls(canvas)

    def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> Reading:
        return LeftToRight().start(model, canvas, sampler)

    def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
        before = state.canvas
        after = LeftToRight().step(model, state, sampler)
        if int(before.frontier_B[0]) % 5 == 0:
            cells_BN = before.tokens_BN.clone()
            cells_BN[:] = after.canvas.tokens_BN
            at = int(before.frontier_B[0])
            cells_BN[0, at] = (cells_BN[0, at] + 1) % 256
            after = replace(after, canvas=replace(after.canvas, tokens_BN=cells_BN))
        return after


def verdict(monkeypatch: pytest.MonkeyPatch, experiment: Any, rule: Rule) -> Verdict:
    broken = replace(
        system("token-recycling"), experiments=(experiment,), claims=(Claim("It is so.", rule),)
    )
    monkeypatch.setattr(module, "system_of", lambda slug: broken)
    return reproduce("token-recycling", quick=True).claims[0].verdict


@pytest.mark.parametrize(
    "rule", [AtLeast("same_text", 1.0), Less("calls", than="left-to-right")], ids=["text", "calls"]
)
def test_another_text_is_found_out(monkeypatch: pytest.MonkeyPatch, rule: Rule) -> None:
    experiment = Prompted(kinds=("story",), decoders={"token-recycling": Liar()})
    assert verdict(monkeypatch, experiment, rule) == "not at this scale"


def test_a_theory_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Width + 1 tokens a call, whatever the draft is worth."""
    monkeypatch.setattr(speculation, "tokens_per_call", lambda alpha, width: width + 1)
    experiment = speculation.IidTables(widths=(4,))
    rule = AtMost("error", 0.2, of="i.i.d. tables")
    assert verdict(monkeypatch, experiment, rule) == "not at this scale"


def test_a_drafter_that_remembers_too_much_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    every = system("token-recycling").experiments
    experiment = next(each for each in every if isinstance(each, Memory))
    assert verdict(monkeypatch, experiment, AtMost("memory_mb", 0.001)) == "not at this scale"
    assert verdict(monkeypatch, experiment, AtMost("memory_mb", 2.0)) == "holds"
