"""The page of a task: which models, which sources, and the figures of each."""

from pathlib import Path

import pytest

from anyorder.cli import tasks
from anyorder.cli.compared import Wishes
from anyorder.cli.task_page import Decoders, contestants, decoders_of, middling, page, replayed
from anyorder.data.pairs import Example
from anyorder.decode.catalogue import parse
from anyorder.models.kinds import Net
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer
from anyorder.models.translator import Translator
from anyorder.units.special import EOS
from anyorder.units.training import letters
from tests.train.made import length_based, markov, parallel, seq2seq

UNITS = letters(["abcdef"])
WISHES = Wishes(pairs=3, max_new_tokens=6, repeats=3, threads=None)


def models() -> list[Translator]:
    nets = (parallel(CTCTransformer), parallel(DAGTransformer), seq2seq())
    names = ("letters-ctc", "letters-dag", "teacher")
    return [Translator(n, UNITS, UNITS, m, (EOS,)) for n, m in zip(nets, names, strict=True)]


def read(*models: Translator) -> list[tuple[Translator, Decoders]]:
    return [(model, decoders_of(model)) for model in models]


def examples(*sources: str) -> list[Example]:
    return [Example(source, (source[::-1], source), source) for source in sources]


def test_those_that_write_left_to_right_come_first() -> None:
    found = contestants(read(*models()), {(0, "ctc-beam"): "exact 1"}, "letters")
    assert [each.name for each in found] == [
        "teacher · left-to-right",
        "teacher · beam:width=4",
        "ctc · ctc-greedy",
        "ctc · ctc-beam",
        "dag · dag-lookahead",
        "dag · dag-beam",
    ]
    assert [each.note for each in found] == ["", "", "", "exact 1", "", ""]


@pytest.mark.parametrize(
    ("net", "suits", "wanted"),
    [
        (length_based(), None, ["parallel", "parallel:candidates=5"]),
        (length_based(), "early-exit", ["early-exit", "parallel", "parallel:candidates=5"]),
        (
            length_based(),
            "mask-predict:candidates=3",
            [
                "mask-predict:candidates=3",
                "parallel",
                "parallel:candidates=5",
                "mask-predict:candidates=5",
            ],
        ),
        (
            markov(order=2),
            "cascade:order=2",
            ["cascade:order=2", "cascade:order=0", "cascade:order=1"],
        ),
        (markov(order=1), "cascade:order=2", ["cascade:order=0", "cascade:order=1"]),
        (seq2seq(), "beam:width=2", ["beam:width=2", "left-to-right", "beam:width=4"]),
    ],
)
def test_a_model_is_measured_with_what_suits_it_first(
    net: Net, suits: str | None, wanted: list[str]
) -> None:
    model = Translator(net, UNITS, UNITS, "m", (EOS,), suits=suits)
    assert list(decoders_of(model)) == wanted
    shown = contestants(read(model), {}, "letters")
    assert [each.name for each in shown] == [f"m · {wanted[0]}", f"m · {wanted[-1]}"]
    assert len(list(replayed(shown, examples("abc"), WISHES))) == 1


def test_what_is_wanted_is_measured_where_the_model_has_the_means() -> None:
    ctc, dag, _ = models()
    wanted = {name: parse(name) for name in ("ctc-beam:width=3", "dag-greedy", "ctc-greedy")}
    assert list(decoders_of(ctc, wanted)) == ["ctc-beam:width=3", "ctc-greedy"]
    assert list(decoders_of(dag, wanted)) == ["dag-greedy"]
    with pytest.raises(ValueError, match=r"letters-ctc can't be read with dag-greedy; what suits"):
        decoders_of(ctc, {"dag-greedy": wanted["dag-greedy"]})


def test_models_of_one_name_are_told_apart() -> None:
    names = [each.name for each in contestants(read(models()[0]) * 2, {}, "letters")]
    assert len(set(names)) == 4


def test_sources_are_of_middle_length_and_every_model_reads_them() -> None:
    many = examples("", "a", *["abcd"] * 3, *["abcde"] * 3, "abcdef" * 9, "abcdef" * 400)
    chosen = middling(many, models(), 4)
    assert len(chosen) == 4
    assert {example.source for example in chosen} <= {"abcd", "abcde"}
    assert middling(examples("", "abcdef" * 400), models()) == []
    assert middling(examples("ab"), models()) == examples("ab")


def test_a_group_has_a_run_for_each_and_its_speed_up_counts_the_source() -> None:
    groups = list(
        replayed(contestants(read(*models()), {}, "x"), examples("abc", "fedc" * 7), WISHES)
    )
    assert [group.name for group in groups] == ["abc", "fedcfedcfedcfedcf…"]
    assert groups[0].prompt == "abc\n\nReference: cba\nReference: abc"
    for group in groups:
        assert len(group.runs) == 6
        for run in group.runs:
            assert run.figures["work"] == 1
            assert run.figures["seconds"] == run.trace.cost.seconds > 0
            assert run.same_text is None
            assert ("lattice" in run.trace.facts) == ("teacher" not in run.decoder)
    html = page("letters", groups, WISHES, pairs=2)
    assert "<dt>test pairs</dt><dd>2</dd>" in html, "what there was, not what was asked for"
    assert "time of teacher · left-to-right" in html


def test_without_a_source_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a page needs"):
        page("letters", list(replayed([], [], WISHES)), WISHES, pairs=0)


@pytest.mark.parametrize(
    ("installed", "scores", "told"),
    [(False, ["repeated_rate"], True), (True, ["repeated_rate"], False), (False, ["exact"], False)],
)
def test_what_bleu_needs_is_said_where_it_is_missing(
    installed: bool,
    scores: list[str],
    told: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tasks, "find_spec", lambda _: object() if installed else None)
    row: tasks.Row = {"model": "m", "decoder": "d"} | dict.fromkeys(scores, 0.5)
    found = tasks.Found("translate", WISHES, None, rows=[row])
    assert found.leave(tmp_path / "page.html", tmp_path / "traces") == []
    assert ("pip install sacrebleu" in capsys.readouterr().err) is told
