"""Law 2: above temperature 0, the distribution of what is written is the target's own.

Enumerated, not sampled: first the rule of acceptance, then whole texts, summed over all coins.
Where drafts are certain, law 1 says more: the text of every seed is that of left to right.
"""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.draft_verify.accept import accept_probability, residual
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import TableLM
from tests.laws.cases import examples, seeds
from tests.laws.checks import follows_the_target, keeps_the_distribution


@st.composite
def distributions(draw: st.DrawFn, vocab_size: int) -> torch.Tensor:
    """Blunt, sharp, with zeros, and one-hot."""
    logits_V = torch.randn(vocab_size, generator=torch.Generator().manual_seed(draw(seeds)))
    probs_V = (draw(st.sampled_from([0.1, 1.0, 5.0])) * logits_V.double()).softmax(-1)
    kept = draw(st.lists(st.booleans(), min_size=vocab_size, max_size=vocab_size).filter(any))
    probs_V = probs_V * torch.tensor(kept)
    return probs_V / probs_V.sum()


@given(data=st.data(), vocab_size=st.integers(2, 7))
@examples(40)
def test_kept_and_redrawn_tokens_together_follow_the_target(
    data: st.DataObject, vocab_size: int
) -> None:
    p_V, q_V = data.draw(distributions(vocab_size)), data.draw(distributions(vocab_size))
    follows_the_target(accept_probability, residual, p_V, q_V)


@given(data=st.data(), vocab_size=st.integers(2, 7))
@examples(30)
def test_a_guess_from_the_target_itself_is_always_kept(
    data: st.DataObject, vocab_size: int
) -> None:
    p_1V = data.draw(distributions(vocab_size))[None]
    assert bool((accept_probability(p_1V, p_1V)[p_1V > 0] == 1).all())
    torch.testing.assert_close(residual(p_1V, p_1V), p_1V)


@given(data=st.data(), vocab_size=st.integers(2, 7))
@examples(30)
def test_what_was_refused_is_never_drawn_again(data: st.DataObject, vocab_size: int) -> None:
    """A token is refused only where the draft overrates it: there the residual is 0."""
    p_1V, q_1V = (data.draw(distributions(vocab_size))[None] for _ in range(2))
    refused_1V = (accept_probability(p_1V, q_1V) < 1) & (q_1V > 0)
    assert bool((residual(p_1V, q_1V)[refused_1V] == 0).all())


def chain(seed: int, vocab_size: int) -> TableLM:
    return TableLM.random(seed=seed, vocab_size=vocab_size, order=1, spread=1.0)


def alike(seed: int, vocab_size: int) -> TableLM:
    """Every token is drawn from the same distribution, whatever stands before it."""
    one_V = chain(seed, vocab_size).logits_HV[:1]
    return TableLM(one_V.expand(vocab_size, -1).clone())


plain = Sampling(temperature=1.0)
hot = Sampling(temperature=1.7, logit_bias={0: 0.5})
top_two = Sampling(temperature=0.8, top_k=2)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(
    ("make", "vocab_size", "tokens", "sampling"),
    [(chain, 2, 2, plain), (alike, 2, 3, plain), (alike, 2, 3, hot), (alike, 3, 2, top_two)],
    ids=["two of a chain", "three", "three, hot", "two, the top two of three"],
)
def test_texts_of_speculative_decoding_follow_the_target(
    make, vocab_size: int, tokens: int, sampling: Sampling, width: int
) -> None:
    target, draft = make(seed=1, vocab_size=vocab_size), make(seed=2, vocab_size=vocab_size)
    make_decoder = partial(Speculative, width=width)
    keeps_the_distribution(make_decoder, target, draft, tokens=tokens, sampling=sampling)


@pytest.mark.parametrize(
    ("make", "vocab_size", "width", "drafts"),
    [(chain, 2, 1, 1), (chain, 2, 2, 1), (alike, 3, 2, 1), (alike, 2, 2, 2)],
    ids=["a token", "a chain", "one of three", "two drafts"],
)
def test_a_draft_may_call_impossible_what_the_target_writes(
    make, vocab_size: int, width: int, drafts: int
) -> None:
    """Its logits are minus infinity, after some tokens or all; the target's are not."""
    target, draft = make(seed=1, vocab_size=vocab_size), make(seed=2, vocab_size=vocab_size)
    never_VV = torch.eye(vocab_size).bool()
    if make is alike:
        never_VV = never_VV[:1].expand(vocab_size, -1)
    blind = TableLM(draft.logits_HV.masked_fill(never_VV, -torch.inf))
    make_decoder = partial(Speculative, width=width, drafts=drafts)
    keeps_the_distribution(make_decoder, target, blind, tokens=2, sampling=plain, drafts=drafts)


@pytest.mark.parametrize("mask", [0, 1])
@pytest.mark.parametrize(("one", "other"), [(chain, alike), (alike, chain)])
def test_texts_of_parallel_drafts_follow_the_target(one, other, mask: int) -> None:
    """Whatever a mask says, and though no guess knows the others.

    A mask's word stands beside any of the target's; so one of the two models says always the same.
    """
    target, draft = one(seed=1, vocab_size=2), other(seed=2, vocab_size=2)
    make_decoder = partial(ParallelDraft, width=2, mask=mask)
    keeps_the_distribution(make_decoder, target, draft, tokens=2, sampling=plain)


@pytest.mark.parametrize(("one", "other"), [(chain, alike), (alike, chain)])
def test_texts_of_block_drafts_follow_the_target(one, other) -> None:
    target, draft = one(seed=1, vocab_size=2), other(seed=2, vocab_size=2)
    make_decoder = partial(BlockDraft, width=2)
    keeps_the_distribution(make_decoder, target, draft, tokens=2, sampling=plain)


@pytest.mark.parametrize(("tokens", "width", "drafts"), [(1, 1, 3), (2, 1, 2), (2, 2, 2)], ids=str)
def test_texts_of_several_drafts_follow_the_target(tokens: int, width: int, drafts: int) -> None:
    target, draft = alike(1, 2), alike(2, 2)
    make_decoder = partial(Speculative, width=width, drafts=drafts)
    keeps_the_distribution(
        make_decoder, target, draft, tokens=tokens, sampling=plain, drafts=drafts
    )
