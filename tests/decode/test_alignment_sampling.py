"""Drafts of what a model said before: the memory, the tree, and what may be kept of it."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.draft_verify.from_text.alignment_sampling import AlignmentSampling, tree
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.reading import SLICE
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import Trace, fold
from tests.laws.cases import Case, Row

LM = TableLM.random(seed=3, vocab_size=7)
probabilities = st.lists(st.floats(0.01, 0.3), min_size=0, max_size=2)


def ran(decoder, model: TableLM, *rows: Row, sampling: Sampling | None = None) -> Trace:
    case = Case(model=model, draft=None, rows=rows, sampling=sampling or Sampling())
    return run(decoder, model, case.canvas(), case.sampler(), Stops())


# The tree


def odds_by_hand(text, said, source, match, path) -> float:
    """The product over a path's guesses, place by place."""
    odds, place = 1.0, source
    for token in path:
        at = source + (place - source) % (len(text) - source)
        trust = match / (match + 3)
        own = dict(said[at - 1]).get(token, 0.0)
        odds *= trust * (token == text[at]) + (1 - trust) * own
        match, place = (match + 1 if token == text[at] else 1), place + 1
    return odds


@given(
    text=st.lists(st.integers(0, 3), min_size=2, max_size=6),
    size=st.integers(1, 4),
    match=st.integers(1, 3),
    data=st.data(),
)
def test_no_cell_that_was_left_out_has_better_odds(text, size, match, data) -> None:
    source = data.draw(st.integers(1, len(text) - 1))
    said = [
        list(zip(data.draw(st.permutations(range(4))), data.draw(probabilities), strict=False))
        for _ in text[1:]
    ]
    tokens, parents = tree(text, said, source, match, size)
    paths: list[tuple[int, ...]] = []
    for token, parent in zip(tokens, parents, strict=True):
        paths.append((*(paths[parent] if parent >= 0 else ()), token))
    assert len(set(paths)) == size, "no cell stands there twice"
    assert all(parent < cell for cell, parent in enumerate(parents))
    odds = [odds_by_hand(text, said, source, match, path) for path in paths]
    assert odds == sorted(odds, reverse=True)
    others = {(*path, token) for path in [(), *paths] for token in range(4)} - set(paths)
    assert max(odds_by_hand(text, said, source, match, path) for path in others) <= odds[-1] + 1e-12


@given(
    rows=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=3),
    width=st.integers(1, 6),
)
def test_without_ranks_it_is_prompt_copy(rows: list[list[int]], width: int) -> None:
    canvas = Canvas.of_prompts(rows, new_cells=[4] * len(rows))
    sampler = Sampler(Sampling(), Coins.of_seeds([0] * len(rows), cells=9))
    ours, theirs = (
        decoder.draft(decoder.begin(LM, canvas, sampler), canvas, sampler)
        for decoder in (AlignmentSampling(size=width, ranks=0), PromptCopy(width=width))
    )
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert torch.equal(ours.parents_BK, theirs.parents_BK)
        real_BK = ours.parents_BK > -2
        assert torch.equal(ours.tokens_BK[real_BK], theirs.tokens_BK[real_BK])
    assert not AlignmentSampling(ranks=0).reads_prompt


# The memory


@pytest.mark.parametrize("decoder", [AlignmentSampling(), Lenient(AlignmentSampling(), share=0.2)])
def test_it_knows_what_was_said_after_each_cell_that_was_read(decoder) -> None:
    """Ragged rows, a prompt in parts, forced cells, guesses that were accepted or refused."""
    rows = (
        Row(prompt=tuple(n % 5 for n in range(2 * SLICE + 9)), new=12),
        Row(prompt=(1, 2, 1), new=9, forced=((3, 4), (4, 4), (7, 0))),
        Row(prompt=(5, 6, 5, 6, 5), new=30),
    )
    case = Case(model=LM, draft=None, rows=rows)
    sampler = case.sampler()
    state = decoder.start(LM, case.canvas(), sampler)
    while bool(state.canvas.open_BN.any()):
        state = decoder.step(LM, state, sampler)
        memory = state.memory.drafter if isinstance(decoder, Lenient) else state.memory
        for row, said in enumerate(memory.rows):
            read = int(state.cache.length_B[row])
            text = state.canvas.tokens_BN[row, :read].tolist()
            assert len(said) == read
            cache = LM.new_cache(1, read)
            p_NV = LM.extend(torch.tensor([text]), cache)[0].softmax(-1)
            best = p_NV.topk(3, -1)
            for n, likely in enumerate(said):
                assert [token for token, _ in likely] == best.indices[n].tolist()
                assert [odds for _, odds in likely] == pytest.approx(best.values[n].tolist())


def test_it_takes_no_call_more_to_read_a_prompt() -> None:
    row = Row(prompt=(1, 2, 3, 1, 2), new=1)
    assert len(ran(AlignmentSampling(), LM, row).steps) == 1
    assert len(ran(LeftToRight(), LM, row).steps) == 1


def test_what_the_model_said_is_guessed_where_a_copy_is_wrong() -> None:
    """After 0 the model says 1, though the prompt says 5; a copy learns that once it is written."""
    follows = torch.full((6, 6), 0.01)
    follows[torch.arange(6), torch.tensor([1, 2, 0, 4, 5, 3])] = 1.0
    model = TableLM.of_transitions(follows / follows.sum(-1, keepdim=True))
    row = Row(prompt=(0, 5, 1, 5, 2, 5, 0), new=7)
    ours, theirs = (
        len(ran(decoder, model, row).steps)
        for decoder in (AlignmentSampling(size=6), PromptCopy(width=6))
    )
    assert ours < theirs
    assert fold(ran(AlignmentSampling(size=6), model, row)).row(0)[7:] == [1, 2, 0, 1, 2, 0, 1]


# A threshold that adapts


def allowed(probs: list[float], share: float) -> list[bool]:
    logits_BV = torch.tensor([probs]).log()
    judge = Lenient(AlignmentSampling(), share=share)
    return judge.allows(logits_BV, torch.arange(len(probs))[None], 0)[0].tolist()


def test_the_surer_the_model_the_more_a_guess_must_have() -> None:
    """exp(-H) of these is 0.73 and 0.26."""
    sure, unsure = [0.93, 0.05, 0.02], [0.4, 0.3, 0.15, 0.1, 0.05]
    assert allowed(sure, 0.5) == [True, False, False]
    assert allowed(unsure, 0.5) == [True, True, True, False, False]
    assert allowed(unsure, 0.15) == [True] * 5
    assert allowed(sure, 0.05) == [True, True, False]
    assert allowed([0.7, 0.3, 0.0], 1e-9) == [True, True, False], "what can't be is never kept"


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.floats(0.01, 1))
def test_the_likeliest_token_may_always_stand(weights: list[float], share: float) -> None:
    probs = torch.tensor(weights, dtype=torch.double)
    probs = (probs / probs.sum()).tolist()
    likeliest = probs.index(max(probs))
    bar = share * math.exp(sum(p * math.log(p) for p in probs))
    assert allowed(probs, share)[likeliest]
    for kept, p in zip(allowed(probs, share), probs, strict=True):
        if abs(p - bar) > 1e-5 and p < max(probs) - 1e-5:
            assert kept == (p > bar)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_what_is_written_is_as_probable_as_it_says(share: float) -> None:
    """Each token is the likeliest, or above the threshold of its place; and some are the latter."""
    rows = [Row(prompt=(*range(7), *range(n), 6 - n), new=40) for n in range(6)]
    trace = ran(Lenient(AlignmentSampling(size=8, ranks=3), share=share), LM, *rows)
    exact = ran(LeftToRight(), LM, *rows)
    lower = 0
    for number, row in enumerate(rows):
        text = fold(trace).row(number)
        logits_NV = LM.extend(torch.tensor([text]), LM.new_cache(1, len(text)))[0]
        logp_NV = logits_NV.double().log_softmax(-1)
        for n in range(len(row.prompt), len(text)):
            logp_V = logp_NV[n - 1]
            own, entropy = float(logp_V[text[n]]), -float((logp_V.exp() * logp_V).sum())
            likeliest = int(logp_V.argmax()) == text[n]
            assert likeliest or own >= math.log(share) - entropy - 1e-4
            lower += not likeliest
    assert lower > 0
    assert len(trace.steps) < len(exact.steps)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.9)])
def test_without_a_threshold_it_is_exact(sampling: Sampling) -> None:
    rows = [Row(prompt=(1, 2, 3, 1, 2), new=20, seed=s) for s in range(4)]
    wanted = fold(ran(LeftToRight(), LM, *rows, sampling=sampling)).tokens_BN
    ours = fold(ran(AlignmentSampling(), LM, *rows, sampling=sampling)).tokens_BN
    assert torch.equal(ours, wanted)
    if sampling.temperature == 0:
        off = Lenient(AlignmentSampling(), share=math.inf)
        assert torch.equal(fold(ran(off, LM, *rows)).tokens_BN, wanted)


def test_what_they_refuse() -> None:
    for wrong in ({"size": 0}, {"ranks": -1}, {"ngram": 1, "shortest": 2}):
        with pytest.raises(ValueError, match="alignment sampling needs"):
            AlignmentSampling(**wrong)
    for share in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="a share above 0"):
            Lenient(AlignmentSampling(), share=share)
    named = parse("lenient:by=(alignment-sampling:size=12),share=0.5")
    assert named == Lenient(AlignmentSampling(size=12), share=0.5)
    assert replace(named, share=math.inf) == Lenient(AlignmentSampling(size=12))
