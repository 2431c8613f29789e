"""Models that do not write left to right are served, too: what they can't do is said."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from anyorder.canvas import DONE, GIVEN, OPEN, PAD
from anyorder.decode.generate import generate
from anyorder.models.load import load
from anyorder.models.translator import Translator
from anyorder.models.writer import Writer
from anyorder.serve.choices import Row
from anyorder.show.lattices import with_lattice
from anyorder.trace import Change, Step
from anyorder.units.training import words
from tests.serve.clients import CHAT, COMPLETIONS, HI, Served, served
from tests.serve.test_answers import joined
from tests.train.made import any_subset

WORD = "language"


@pytest.fixture(scope="module")
def speaker() -> Writer:
    return load("pronounce-ctc")


@pytest.fixture(scope="module")
def server(speaker: Writer) -> Iterator[Served]:
    with served(speaker) as there:
        yield there


@pytest.mark.parametrize("decoder", [None, "ctc-greedy", "ctc-beam:width=4"])
def test_a_parallel_model_answers(server: Served, speaker: Writer, decoder: str | None) -> None:
    body = {"prompt": WORD, "max_tokens": 30, "temperature": 0} | (
        {"decoder": decoder} if decoder else {}
    )
    out = generate(speaker, WORD, decoder=decoder, max_new_tokens=30)
    assert out.text
    answer = server.post(COMPLETIONS, logprobs=3, **body)
    (choice,) = answer["choices"]
    assert choice["text"] == out.text
    told = choice["logprobs"]
    assert len(told["tokens"]) == answer["usage"]["completion_tokens"]
    tops = zip(told["top_logprobs"], told["tokens"], strict=True)
    assert all(list(top) == [token] for top, token in tops)
    assert joined(server.events(COMPLETIONS, **body)) == out.text
    assert answer["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("decoder", ["ctc-greedy", "ctc-beam"])
def test_a_trace_that_is_asked_for_has_the_lattice(
    server: Served, speaker: Writer, decoder: str
) -> None:
    assert isinstance(speaker, Translator)
    body = {"prompt": WORD, "max_tokens": 30, "temperature": 0, "decoder": decoder}
    out = generate(speaker, WORD, decoder=decoder, max_new_tokens=30)
    wanted = json.loads(json.dumps(with_lattice(speaker, [WORD], out.trace).facts["lattice"]))
    footer = json.loads(server.post(COMPLETIONS, trace=True, **body)["anyorder"]["trace"][-1])
    assert footer["facts"]["lattice"] == wanted
    assert {t for cell in wanted[0]["cells"] for t, _ in cell} <= {*map(int, footer["pieces"])}
    events = server.events(COMPLETIONS, trace=True, **body)
    lines = [json.loads(line) for event in events for line in event["anyorder"]["trace"]]
    assert lines[-1]["facts"]["lattice"] == wanted
    assert "anyorder" not in server.post(COMPLETIONS, **body)


def test_what_it_can_t_do_is_said(server: Served, speaker: Writer) -> None:
    name = speaker.name
    assert "no language model" in server.refused(CHAT, messages=HI)["message"]
    holes = [{"hole": 3}]
    for body in ({"infill": holes}, {"constraints": [{"text": "a", "at": 1}]}):
        refused = server.refused(COMPLETIONS, prompt=WORD, **body)
        assert f"{name} is no language model" in refused["message"]
    fined = server.refused(COMPLETIONS, prompt=WORD, presence_penalty=1.0)
    assert "it has no penalties" in fined["message"]
    assert "give the prompt as text" in server.refused(COMPLETIONS, prompt=[1, 2])["message"]
    endless = server.refused(COMPLETIONS, prompt=WORD, ignore_eos=True)
    assert endless["param"] == "ignore_eos"
    lacking = server.refused(COMPLETIONS, prompt=WORD, decoder="jacobi")
    assert "needs a CausalLM" in lacking["message"]
    (model,) = server.client.get("/v1/models").json()["data"]
    assert model["anyorder"]["chat"] is False


def test_its_decoders_are_told_and_it_can_be_asked_with_each(server: Served) -> None:
    (model,) = server.client.get("/v1/models").json()["data"]
    told = model["anyorder"]["decoders"]
    assert {"ctc-greedy", "ctc-beam"} <= {one["name"] for one in told}
    assert "left-to-right" not in {one["name"] for one in told}
    for one in told:
        assert not one["needs"]
        server.post(COMPLETIONS, prompt=WORD, max_tokens=30, temperature=0, decoder=one["name"])


def test_a_row_follows_cells_that_move() -> None:
    row = Row([5, 6, 7, 0], [GIVEN, DONE, OPEN, PAD], [0.0, -1.0, 0.0, 0.0])
    assert row.frontier(1) == 2
    step = Step((), (Change(0, 1, 9, DONE, -0.5),), origin=((0, -1, 1, 2),))
    row.after(step)
    assert row.tokens == [5, 9, 6, 7]
    assert row.status == [GIVEN, DONE, DONE, OPEN]
    assert row.logprobs == [0.0, -0.5, -1.0, 0.0]
    assert row.frontier(1) == 3
    row.after(replace(step, changes=(Change(0, 3, 0, PAD, 0.0),), origin=None))
    assert row.frontier(1) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fills_holes_tells_what_was_given_with_the_rest(stream: bool) -> None:
    units = words(["the cat sat on the mat and sat"])
    net = any_subset(units.vocab_size, layers=2).eval()
    lm = Translator(net, units, units, "filler", units.eos_ids)
    body = {"prompt": "the ___:2 sat", "max_tokens": 8, "seed": 3, "trace": True}
    out = generate(lm, "the ___:2 sat", max_new_tokens=8, temperature=1.0, seed=3)
    with served(lm) as server:
        if stream:
            events = server.events(COMPLETIONS, **body)
            assert joined(events) == out.text
            assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == "stop"
            return
        (choice,) = server.post(COMPLETIONS, logprobs=0, return_token_ids=True, **body)["choices"]
    assert choice["text"] == out.text
    assert out.text.startswith("the")
    assert choice["token_ids"] == [t for t in out.tokens if t not in units.eos_ids]
    assert choice["logprobs"]["text_offset"][:2] == [0, 3]
    assert choice["finish_reason"] == "stop", "its last hole is filled, and its last word stands"
