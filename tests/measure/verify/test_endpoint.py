"""A server is examined through its own interface; what is wrong with it comes to light."""

import pytest

from anyorder.measure.verify.endpoint import Endpoint, TokenByToken, parsed
from anyorder.measure.verify.laws import Effort, examine
from anyorder.measure.verify.subject import Ask, Finding
from tests.measure.verify.served import serving

PROMPTS = ["Name some colours:", "Count:"]


def findings(url: str, draws: int = 40) -> list[Finding]:
    served = Endpoint(url, "words")
    return list(examine(served, TokenByToken(served), PROMPTS, Effort(new=12, draws=draws)))


def test_all_holds_of_a_right_server():
    with serving() as url:
        found = findings(url)
    assert [(each.law, each.holds) for each in found] == [(n, True) for n in (1, 3, 6, 6, 2)]
    assert "40 drawn texts, 480 tokens" in found[-1].sentence


@pytest.mark.parametrize(
    ("fault", "law", "sentence"),
    [
        ("other", 1, "token 4 is"),
        ("overrun", 6, "was overrun by 2 tokens"),
        ("long", 6, "asked for 2, it wrote 3 tokens"),
        ("greedy", 2, "too greedy"),
    ],
)
def test_a_fault_comes_to_light(fault, law, sentence):
    with serving(fault) as url:
        wrong = [each for each in findings(url) if each.holds is False]
    assert law in {each.law for each in wrong}
    assert any(sentence in each.sentence for each in wrong), wrong


@pytest.mark.parametrize("way", ["told", "untold", "late"])
def test_texts_may_end_in_whatever_way_that_is_told(way):
    with serving(way) as url:
        greedy = findings(url, draws=0)
        drawn = findings(url, draws=8)
    assert [each.holds for each in greedy] == [True] * 4, greedy
    if way == "untold":
        assert drawn[-1].holds is None
        assert "ignore_eos" in drawn[-1].sentence


def test_a_server_without_drafts_is_asked_for_whole_texts():
    with serving("other") as url, serving("other") as plain:
        pair = Endpoint(url, "words"), TokenByToken(Endpoint(plain, "words"), at_once=True)
        found = list(examine(*pair, PROMPTS, Effort(new=12, draws=0)))
    assert found[0].holds


def test_a_temperature_of_which_nothing_is_told_costs_no_draws():
    with serving() as url:
        served = Endpoint(url, "words")
        effort = Effort(new=4, draws=5, temperature=0.7)
        found = list(examine(served, TokenByToken(served), PROMPTS, effort))
    assert found[-1].holds is None
    assert "0.7" in found[-1].sentence


def test_text_alone_is_compared_as_text():
    with serving("mute") as url:
        found = findings(url)
    assert [(each.law, each.holds) for each in found][:2] == [(1, True), (3, True)]
    assert found[-1].holds is None


def test_a_refusal_is_one_sentence():
    with serving("refuses") as url, pytest.raises(ValueError, match=r"401.*a key is needed"):
        Endpoint(url, "words").complete(Ask("x", 1))
    with serving("nonsense") as url, pytest.raises(ValueError, match="did not answer with a compl"):
        Endpoint(url, "words").complete(Ask("x", 1))
    with pytest.raises(OSError, match="does not answer"):
        Endpoint("http://127.0.0.1:9/v1", "words").complete(Ask("x", 1))


def test_both_shapes_of_log_probabilities_are_read():
    content = [{"token": "a", "logprob": 0.0, "top_logprobs": [{"token": "a", "logprob": 0.0}]}]
    choice = {"text": "a", "logprobs": {"content": content}, "finish_reason": "stop"}
    answer = parsed(choice)
    assert answer.tokens == ("a",)
    assert answer.top == ({"a": 1.0},)
    assert answer.ended
