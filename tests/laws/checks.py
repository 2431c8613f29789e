"""The laws, as checkers: each raises AssertionError where a decoder breaks it.

    writes_the_text_of_left_to_right(decoder, case)

The tests of the laws call them on every decoder, `test_mutants` on decoders that are broken.
"""

import operator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, islice, pairwise, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.decode.draft_verify import selection
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops, Watch
from anyorder.nets.compiled.rendezvous import Rendezvous
from anyorder.nets.compiled.together import Rows
from anyorder.trace import Step, Trace, fold
from tests.laws.cases import Case

NEAR = 1e-3  # how far log-probabilities may differ


def written(decoder: Any, case: Case, *, watch: Watch | None = None) -> Canvas:
    """The finished canvas. A decoder that never ends is an AssertionError, not a long wait."""
    return history(decoder, case, case.canvas(), watch=watch)[-1][1]


def history(
    decoder: Any, case: Case, canvas: Canvas, *, watch: Watch | None = None
) -> list[tuple[Step, Canvas]]:
    """Every step and the canvas after it; first the canvas that it began with."""
    most = max(canvas.tokens_BN.numel(), decoder.most_calls(canvas)) + 1
    made = list(islice(steps(decoder, case.model, canvas, case.sampler(), watch), most))
    assert len(made) < most, f"{decoder} has not ended after {most} steps"
    return [(Step((), ()), canvas), *made]


def texts(canvas: Canvas) -> list[list[int]]:
    """The cells of each row that belong to it; OPEN ones as -1."""
    tokens_BN = canvas.tokens_BN.where(canvas.status_BN != OPEN, -1)
    rows = zip(tokens_BN, canvas.status_BN, strict=True)
    return [tokens_N[status_N != PAD].tolist() for tokens_N, status_N in rows]


def same(one: Canvas, other: Canvas) -> None:
    """The same texts, and nearly the same log-probabilities."""
    assert texts(one) == texts(other)
    assert torch.equal(one.status_BN, other.status_BN)
    inside_BN = one.status_BN != PAD
    near = torch.allclose(one.logprobs_BN[inside_BN], other.logprobs_BN[inside_BN], atol=NEAR)
    assert near, "log-probabilities differ"


def writes_the_text_of_left_to_right(decoder: Any, case: Case) -> None:
    """Law 1; above temperature 0 with the same seed, for drafts that are certain."""
    same(written(decoder, case), written(LeftToRight(), case))


def not_a_bit_differs(decoder: Any, case: Case, alone: Sequence[Canvas]) -> None:
    """Law 1, for a network of which drafts and company change no bit of any logit; `alone`: what
    left to right writes of each row by itself.
    """
    together = written(decoder, case)
    for b, plain in enumerate(alone):
        N = plain.tokens_BN.shape[1]
        assert texts(together)[b] == texts(plain)[0], f"row {b} differs"
        assert torch.equal(together.status_BN[b, :N], plain.status_BN[0])
        same_bits = torch.equal(together.logprobs_BN[b, :N], plain.logprobs_BN[0])
        assert same_bits, f"log-probabilities of row {b} differ"


def alone_or_in_company(decoder: Any, case: Case) -> None:
    """Law 3: what a row gets does not depend on the rows beside it."""
    together = written(decoder, case)
    for b in range(len(case.rows)):
        alone = written(decoder, case.only(b))
        N = alone.tokens_BN.shape[1]
        assert texts(together)[b] == texts(alone)[0], f"row {b} differs in company"
        assert torch.equal(together.status_BN[b, :N], alone.status_BN[0])
        logprobs_N = together.logprobs_BN[b, :N]
        assert torch.allclose(logprobs_N, alone.logprobs_BN[0], atol=NEAR)


def computed_together(decoder: Any, case: Case) -> None:
    """Law 3, for texts that join and leave: each row has a thread of its own, and what the network
    is asked for all of them is computed in one call. Not a bit may differ.
    """
    rows = Rows(case.model, count=2, room=128)  # fewer than there may be threads

    def row(b: int) -> Canvas:
        with meeting.seat() as model:
            return written(decoder, replace(case.only(b), model=model))

    with Rendezvous(rows) as meeting, ThreadPoolExecutor(len(case.rows)) as pool:
        together = list(pool.map(row, range(len(case.rows))))
    for b, canvas in enumerate(together):
        alone = written(decoder, case.only(b))
        assert texts(canvas) == texts(alone), f"row {b} differs where it is computed with others"
        assert torch.equal(canvas.logprobs_BN, alone.logprobs_BN)


def given_stays_given(decoder: Any, case: Case) -> None:
    """Law 5: prompts and forced cells are never touched, and every other cell is written."""
    canvas = case.canvas()
    given_BN = canvas.status_BN == GIVEN
    for _, after in history(decoder, case, canvas):
        assert torch.equal(after.status_BN == GIVEN, given_BN)
        assert torch.equal(after.tokens_BN[given_BN], canvas.tokens_BN[given_BN])
    assert not bool(after.live_B.any())


def ends_in_time(decoder: Any, case: Case) -> None:
    """Law 6: no more calls than the decoder declares, counted at the model itself."""
    counted = Counted(case.model)
    canvas = case.canvas()
    last = written(decoder, replace(case, model=counted))
    assert len(counted.calls) <= decoder.most_calls(canvas)
    assert not bool(last.live_B.any())


def cuts_where_left_to_right_cuts(decoder: Any, case: Case, stops: Stops) -> None:
    """Law 6: an end token, a stop string and a limit end a row at the same token."""
    plain, fast = stops.start(case.canvas()), stops.start(case.canvas())
    same(written(decoder, case, watch=fast), written(LeftToRight(), case, watch=plain))
    assert fast.reasons == plain.reasons


def the_trace_is_the_result(decoder: Any, case: Case, file: Path) -> None:
    """Law 4: the trace folds to the canvas, and shows the calls that the models really got."""
    drafter = getattr(decoder, "by", decoder)
    counted, draft = Counted(case.model), Counted(getattr(drafter, "draft_model", None))
    watched = replace(drafter, draft_model=draft) if draft.watched else drafter
    watched = watched if drafter is decoder else replace(decoder, by=watched)
    trace = run(watched, counted, case.canvas(), case.sampler())
    calls = [call for step in trace.steps for call in step.calls]
    assert [call.tokens_BT for call in calls if call.role == "target"] == counted.calls
    drafts = draft.calls + counted.drafts
    assert [call.tokens_BT for call in calls if call.role == "draft"] == drafts
    assert (trace.cost.calls, trace.cost.draft_calls) == (len(counted.calls), len(drafts))
    trace.save(file)
    result = written(decoder, case)
    for told in (trace, Trace.load(file)):
        same(fold(told), result)
        assert told.cost == trace.cost
    if isinstance(decoder, DraftVerify) and calls:
        assert 0 < trace.cost.draft_seconds < trace.cost.seconds
    wrote_BN = result.final_BN & ~case.canvas().final_BN
    assert trace.cost.tokens == int(wrote_BN.sum())


def the_seed_decides(decoder: Any, case: Case) -> None:
    """Law 7: nothing else does, neither a generator of the process nor what ran before."""
    torch.manual_seed(1)
    one = written(decoder, case)
    torch.manual_seed(2)
    same(one, written(decoder, case))


def goes_on_where_it_was_stopped(decoder: Any, case: Case, after: int) -> None:
    """Law 7: a run that was stopped after some steps, and goes on from its canvas alone."""
    whole = history(decoder, case, case.canvas())
    stopped = whole[min(after, len(whole) - 1)][1]
    same(history(decoder, case, stopped)[-1][1], whole[-1][1])


def a_longer_limit_goes_on(decoder: Any, case: Case, more: int) -> None:
    """Law 7: with more cells to write, the first ones are the same."""
    longer = replace(case, rows=tuple(replace(row, new=row.new + more) for row in case.rows))
    for short, long in zip(
        texts(written(decoder, case)), texts(written(decoder, longer)), strict=True
    ):
        assert long[: len(short)] == short


def drafts_no_more_than_it_says(decoder: Any, case: Case) -> None:
    """Law 9: no call, but the one that reads the prompts, is wider than the root and a draft."""
    counted = Counted(case.model)
    written(decoder, replace(case, model=counted))
    assert all(len(row) <= 1 + decoder.most_drafted for call in counted.calls[1:] for row in call)


class Counted:
    """A model that notes the tokens of the calls it gets, apart from any meter."""

    def __init__(self, watched: Any, calls: list[list[list[int]]] | None = None) -> None:
        self.watched = watched
        self.calls: list[list[list[int]]] = [] if calls is None else calls
        self.drafts: list[list[list[int]]] = []  # those of the small model beside it

    @property
    def vocab_size(self) -> int:
        return self.watched.vocab_size

    @property
    def max_length(self) -> int:
        return self.watched.max_length

    @property
    def units(self) -> Any:
        return self.watched.units

    def new_cache(self, batch: int, room: int) -> Any:
        return self.watched.new_cache(batch, room)

    def extend(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
        self.calls.append(tokens_BT.tolist())
        return self.watched.extend(tokens_BT, cache, **options)

    def among(self, tokens_BN: Any, *asked: Any) -> Any:
        self.calls.append(tokens_BN.tolist())
        return self.watched.among(tokens_BN, *asked)

    @property
    def embedding_VC(self) -> Any:
        return self.watched.embedding_VC

    @property
    def heads(self) -> int:
        return self.watched.heads

    @property
    def mask(self) -> int:
        return self.watched.mask

    @property
    def hole(self) -> int:
        """See `SetBlockLM.hole`."""
        return self.watched.mask

    @property
    def longest_block(self) -> int:
        return self.watched.longest_block

    def extend_with_features(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
        self.calls.append(tokens_BT.tolist())
        return self.watched.extend_with_features(tokens_BT, cache, **options)

    def ahead(self, features_BC: Any, heads: int | None = None) -> Any:
        return self.watched.ahead(features_BC, heads)

    @property
    def leaps(self) -> int:
        return self.watched.leaps

    @property
    def stride(self) -> int:
        return self.watched.stride

    def leaping(self, features_BC: Any) -> Any:
        return self.watched.leaping(features_BC)

    @property
    def small(self) -> "Counted":
        return Counted(self.watched.small, self.drafts)

    def see(self, large_BPC: Any, count_B: Any, cache: Any) -> None:
        self.watched.see(large_BPC, count_B, cache)

    @property
    def frequent_U(self) -> Any:
        return self.watched.frequent_U

    def new_head_cache(self, batch: int, room: int) -> Any:
        return self.watched.new_head_cache(batch, room)

    def onward(self, features_BTC: Any, tokens_BT: Any, place_BT: Any, cache: Any) -> Any:
        return self.watched.onward(features_BTC, tokens_BT, place_BT, cache)

    def said(self, features_BC: Any, among_U: Any) -> Any:
        return self.watched.said(features_BC, among_U)


def follows_the_target(accept: Any, residual: Any, p_V: Tensor, q_V: Tensor) -> None:
    """Law 2, for one token: q(x) accept(x) + P(reject) residual(x) = p(x)."""
    p_1V, q_1V = p_V[None], q_V[None]
    kept_1V = q_1V * accept(p_1V, q_1V)
    refused_11 = 1 - kept_1V.sum(-1, keepdim=True)
    torch.testing.assert_close(kept_1V + refused_11 * residual(p_1V, q_1V), p_1V, rtol=0, atol=1e-9)


def keeps_the_distribution(
    make_decoder: Any,
    target: Any,
    draft: Any,
    *,
    tokens: int,
    sampling: Sampling,
    drafts: int = 1,
) -> None:
    """Law 2, for texts: the share of all coins that lead to a text is its probability.

    What is written depends on each coin through thresholds alone. So a decoder is run once for
    every combination of intervals between them, all in one batch, and weighs as much as the
    intervals are long. Thresholds of the draft are tried wherever those of the target are.
    """
    V, double = target.vocab_size, torch.float64
    sampler = Sampler(sampling, Coins(torch.zeros(1, 1, 3, dtype=double)))
    p_VV, q_VV = (sampler.probs(lm.logits_HV[None])[0] for lm in (target, draft))
    dials = thresholds(p_VV, q_VV, drafts)
    cells = list(product(*(intervals(edges) for edges in dials)))  # of the coins of one cell
    runs = list(product(cells, repeat=tokens))
    coins_BNC = torch.tensor(
        [[[mid for mid, _ in cell] for cell in run] for run in runs], dtype=double
    )
    weight_BNC = torch.tensor(
        [[[width for _, width in cell] for cell in run] for run in runs], dtype=double
    )
    coins = Coins(torch.cat([torch.zeros_like(coins_BNC[:, :1]), coins_BNC], 1))
    canvas = Canvas.of_prompts([[0]] * len(runs), new_cells=[tokens] * len(runs))
    *_, (_, end) = steps(make_decoder(draft), target, canvas, Sampler(sampling, coins))
    index_B = sum(end.tokens_BN[:, 1 + n] * V**n for n in range(tokens))
    found_X = torch.zeros(V**tokens, dtype=double)
    found_X.index_add_(0, index_B, weight_BNC.flatten(1).prod(-1))
    expected = torch.ones(1, dtype=double)
    texts = torch.arange(V**tokens)
    before = torch.zeros_like(texts)
    for n in range(tokens):
        token = texts // V**n % V
        expected, before = expected * p_VV[before, token], token
    torch.testing.assert_close(found_X, expected, rtol=0, atol=1e-9)


def thresholds(p_VV: Tensor, q_VV: Tensor, drafts: int) -> list[set[float]]:
    """Where the coins PICK, ACCEPT, DRAW, ... of a cell may turn, after any token."""
    draw = set(q_VV.cumsum(-1).flatten().tolist())
    pick, accept = set(p_VV.cumsum(-1).flatten().tolist()), set[float]()
    for k in range(1, drafts + 1):
        many_V = torch.full_like(p_VV[:, 0], k).long()
        rho_V = selection.division(p_VV, q_VV, many_V)
        rest_VV = selection.left_over(p_VV, q_VV, many_V, rho_V)
        pick |= set(rest_VV.cumsum(-1).flatten().tolist())
        for odds_V in selection.acceptance(p_VV, q_VV, rho_V).tolist():
            for guesses in product(odds_V, repeat=k):  # each judged by what was left of the coin
                refused = accumulate((1 - odds for odds in guesses), operator.mul)
                accept |= {1 - left for left in refused}
    return [pick | draw, accept, *[draw] * drafts]


def intervals(edges: set[float]) -> list[tuple[float, float]]:
    """The middle and the length of each interval of [0, 1) between `edges`."""
    inside = sorted({0.0, 1.0, *(edge for edge in edges if 0 < edge < 1)})
    found = [((a + b) / 2, b - a) for a, b in pairwise(inside)]
    return [(middle, width) for middle, width in found if width > 1e-12]  # rounding, not a share
