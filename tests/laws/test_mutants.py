"""A law that can't fail says nothing: here is each of them, broken on purpose, and noticed.

A mutant is a decoder, a model, or a part of the loop with one mistake. `notices` looks for a case
in which the law's checker fails; `find` raises NoSuchExample where there is none.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from anyorder import trace
from anyorder.canvas import DONE, Canvas
from anyorder.decode import run as loop_of_all
from anyorder.decode import sampling, stops
from anyorder.decode.draft_verify import decide, loop, selection
from anyorder.decode.draft_verify.accept import Written, accept_probability, residual, walk
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_models import speculative, through_text
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_models.through_text import ThroughText
from anyorder.decode.draft_verify.from_text.alignment_sampling import AlignmentSampling, Said
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.left_to_right import plain
from anyorder.decode.left_to_right.plain import LeftToRight, Reading
from anyorder.decode.reading import Pending
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.tables.language_model import TableCache, TableLM
from anyorder.nets import transformer
from anyorder.nets.compiled import together
from tests.laws import checks
from tests.laws.cases import Case, Headed, Row, cases, compiled, greedy, networks, warm
from tests.laws.test_1_exact_at_zero import ragged
from tests.laws.test_6_bounded import Letters
from tests.laws.tongues import WITH_PAIRS, Speaking, alphabet

Check = Callable[[Any, Case], None]
MANY_TRIES = settings(
    max_examples=300,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


def breaks(check: Check, decoder: Any, case: Case) -> bool:
    try:
        check(decoder, case)
    except (AssertionError, ValueError, RuntimeWarning):  # the loop warns of a faulty drafter
        return True
    return False


def notices(check: Check, decoder: Any, among: st.SearchStrategy[Case]) -> None:
    """Some case shows the mistake."""
    find(among, partial(breaks, check, decoder), settings=MANY_TRIES, random=Random(0))


def lenient(model: TableLM, **acts: Any) -> TableLM:
    """A table whose cache does what it is told, like a real one, with some of its acts replaced."""

    class Lenient(TableCache):
        keep = acts.pop("keep", TableCache.keep)

    class Mutant(TableLM):
        extend = acts.pop("extend", TableLM.extend)

        def new_cache(self, batch: int, room: int) -> TableCache:
            return Lenient([[] for _ in range(batch)], room)

    return Mutant(model.logits_HV)


def with_model(among: st.SearchStrategy[Case], **acts: Any) -> st.SearchStrategy[Case]:
    return among.map(lambda case: replace(case, model=lenient(case.model, **acts)))


same_text = checks.writes_the_text_of_left_to_right
drafted = cases(sampling=greedy)


# Law 1: exact


def test_law_1_notices_a_token_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk believes the first child, whatever the model says."""

    def trusting(tokens_BT: Any, parents_BT: Any, decide: Any, eos_ids: Any) -> Written:
        right = walk(tokens_BT, parents_BT, decide, eos_ids)
        child_BT = parents_BT == right.path_BP[:, -1:]
        child_B = child_BT.long().argmax(-1)
        rows_B = torch.arange(len(tokens_BT))
        last_B = decide(child_B, right.tokens_BP)
        path_BP = torch.cat([right.path_BP, child_B[:, None]], 1)
        right.tokens_BP[rows_B, -1] = tokens_BT[rows_B, child_B]
        tokens_BP = torch.cat([right.tokens_BP, last_B[:, None]], 1)
        return Written(path_BP, tokens_BP, right.count_B + child_BT.any(-1))

    monkeypatch.setattr(loop, "walk", trusting)
    notices(same_text, PromptCopy(), drafted)


def test_law_1_notices_guesses_that_are_nearly_right() -> None:
    """What `Lenient` says of itself, that it is not exact, is true."""
    notices(same_text, Lenient(Blockwise(), top=3), drafted)
    notices(same_text, Lenient(AlignmentSampling(), share=0.5), drafted)


@dataclass(frozen=True)
class Rounding(Headed):
    """A network that sums in another order where a call is larger: in its last bits alone."""

    of_cells: bool = True  # or of rows

    def extend(self, tokens_BT: torch.Tensor, cache: Any, **options: Any) -> torch.Tensor:
        logits_BSV = super().extend(tokens_BT, cache, **options)
        large = tokens_BT.shape[1 if self.of_cells else 0] > 1
        return logits_BSV.nextafter(torch.zeros(())) if large else logits_BSV


@pytest.mark.parametrize("of_cells", [True, False])
def test_law_1_notices_last_bits(of_cells: bool) -> None:
    """The text stays the same, and so do log-probabilities as other laws compare them."""
    sound = ragged("float32", "llama")
    alone = [checks.written(LeftToRight(), sound.only(b)) for b in range(len(sound.rows))]
    checks.not_a_bit_differs(TokenRecycling(), sound, alone)
    case = replace(sound, model=Rounding(sound.model.net, of_cells=of_cells))
    same_text(TokenRecycling(), case)
    with pytest.raises(AssertionError, match="log-probabilities of row 0 differ"):
        checks.not_a_bit_differs(TokenRecycling(), case, alone)


def test_law_3_notices_guesses_that_wait_for_a_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where guesses matter, each token must have one, whatever the row beside has still to read."""
    monkeypatch.setattr(loop.DraftVerify, "_guesses_matter", lambda self, greedy: False)
    among = cases(sampling=greedy, forced=True, least_rows=2)
    notices(checks.alone_or_in_company, Lenient(Blockwise(), top=3), among)


def test_law_3_notices_what_was_said_after_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a short row that is read beside a longer one; its guesses matter where not exact."""
    right = Said.add

    def careless(memory: Said, seen: Any, ranks: int) -> None:
        right(memory, replace(seen, real_BS=torch.ones_like(seen.real_BS)), ranks)

    monkeypatch.setattr(Said, "add", careless)
    among = cases(sampling=greedy, least_rows=2)
    notices(checks.alone_or_in_company, Lenient(AlignmentSampling(), share=0.3), among)


def test_law_3_notices_texts_that_lie_in_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together.Rows, "take", lambda rows: together.Row(rows, 0))
    monkeypatch.setattr(together.Rows, "give_back", lambda rows, row: None)
    prompts = [(1, 2, 3, 4, 5, 0), (5, 5, 1), (2, 0, 2, 0, 3)]
    rows = tuple(Row(prompt=prompt, new=9) for prompt in prompts)
    case = Case(model=compiled("float32"), draft=None, rows=rows)
    with pytest.raises(AssertionError, match="differs where it is computed with others"):
        checks.computed_together(LeftToRight(), case)


def test_law_1_notices_a_cache_that_forgets_the_path() -> None:
    """It keeps the first cells that were read instead of those on the path."""

    def keep(self: TableCache, path_BP: Any, count_B: Any) -> None:
        for row, count in enumerate(count_B.tolist()):
            self.contexts[row] += self.fresh[row][:count]

    notices(same_text, TokenRecycling(), with_model(drafted, keep=keep))


def test_law_1_notices_a_model_that_takes_a_tree_for_a_chain() -> None:
    def extend(self: TableLM, tokens_BT: Any, cache: Any, *, tree: Any, **options: Any) -> Any:
        return TableLM.extend(self, tokens_BT, cache, **options)

    notices(same_text, TokenRecycling(), with_model(drafted, extend=extend))


def test_law_1_notices_a_model_that_ignores_which_cells_to_score() -> None:
    def extend(
        self: TableLM, tokens_BT: Any, cache: Any, *, score_BS: Any = None, **options: Any
    ) -> Any:
        logits_BTV = TableLM.extend(self, tokens_BT, cache, **options)
        return logits_BTV if score_BS is None else logits_BTV[:, : score_BS.shape[1]]

    notices(same_text, TokenRecycling(), with_model(drafted, extend=extend))


def test_law_1_notices_a_transformer_whose_drafted_cells_see_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = transformer.visible
    monkeypatch.setattr(
        transformer, "visible", lambda cache, T, end, tree, shape: right(cache, T, end, None, shape)
    )
    notices(same_text, TokenRecycling(), cases(sampling=greedy, models=networks))


def test_law_1_notices_other_coins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that samples with coins of its own follows the target, but not the seed."""
    monkeypatch.setattr(decide, "PICK", sampling.ACCEPT)
    right = Sampler.pick

    def pick(self: Sampler, logits_BSV: Any, cells_BS: Any, history_BSH: Any = None) -> Any:
        return right(self, logits_BSV, cells_BS + 1, history_BSH)

    @dataclass(frozen=True)
    class Shifted(LeftToRight):
        def step(self, model: Any, state: Any, sampler: Sampler) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Sampler, "pick", pick)
                return super().step(model, state, sampler)

    notices(same_text, Shifted(), cases(sampling=warm))


# Law 2: exact above temperature 0


def always(p_BV: torch.Tensor, q_BV: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(p_BV)


def turned_round(p_BV: torch.Tensor, q_BV: torch.Tensor) -> torch.Tensor:
    return accept_probability(q_BV, p_BV)


def the_target_again(p_BV: torch.Tensor, q_BV: torch.Tensor) -> torch.Tensor:
    return p_BV


@pytest.mark.parametrize(
    ("accept", "redraw"),
    [(always, residual), (turned_round, residual), (accept_probability, the_target_again)],
)
def test_law_2_notices_a_wrong_rule(
    accept: Any, redraw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    p_V, q_V = torch.tensor([[5, 3, 2], [1, 3, 6]]).double() / 10
    checks.follows_the_target(accept_probability, residual, p_V, q_V)
    with pytest.raises(AssertionError):
        checks.follows_the_target(accept, redraw, p_V, q_V)
    monkeypatch.setattr(selection, "accept_probability", accept)
    monkeypatch.setattr(selection, "residual", redraw)
    with pytest.raises(AssertionError):
        texts_follow_the_target()


def test_law_2_notices_drafts_that_are_kept_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of several drafts is judged as if it were the only one."""
    texts_follow_the_target(width=1, drafts=2)
    monkeypatch.setattr(
        selection, "division", lambda p_BV, q_BV, many_B: torch.ones_like(p_BV[:, 0])
    )
    with pytest.raises(AssertionError):
        texts_follow_the_target(width=1, drafts=2)


def test_law_2_notices_drafts_that_are_drawn_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """All drafts of a row have the same coin."""
    right = sampling.Coins.at
    monkeypatch.setattr(
        sampling.Coins, "at", lambda self, cells_BS, kind: right(self, cells_BS, min(kind, 2))
    )
    with pytest.raises(AssertionError):
        texts_follow_the_target(width=1, drafts=2)


def texts_follow_the_target(*, tokens: int = 2, width: int = 4, drafts: int = 1) -> None:
    """Two tokens, or three, over a vocabulary of two, that are drawn like the one before."""
    chains = (TableLM.random(seed=s, vocab_size=2, order=1, spread=1.0) for s in (1, 2))
    target, draft = (TableLM(lm.logits_HV[:1].expand(2, 2).clone()) for lm in chains)
    sampling = Sampling(temperature=1.0)
    decoder = partial(Speculative, width=width, drafts=drafts)
    checks.keeps_the_distribution(
        decoder, target, draft, tokens=tokens, sampling=sampling, drafts=drafts
    )


def test_law_2_notices_a_bonus_token_from_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a draft that was kept whole, the target draws; here the draft does once more."""
    right = decide.selected

    def wrong(p_BV: Any, drawn: Any, said_BP: Any, sampler: Any, at_B1: Any) -> Any:
        if said_BP.shape[1] == drawn.tokens_BJW.shape[2]:
            p_BV = drawn.probs_BJWV[:, 0, -1]
        return right(p_BV, drawn, said_BP, sampler, at_B1)

    texts_follow_the_target(tokens=3, width=1)
    monkeypatch.setattr(decide, "selected", wrong)
    with pytest.raises(AssertionError):
        texts_follow_the_target(tokens=3, width=1)


def test_law_2_notices_one_coin_for_two_purposes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess that was drawn with the coin that also judges it is kept too often, or too seldom."""
    monkeypatch.setattr(speculative, "DRAW", sampling.ACCEPT)
    with pytest.raises(AssertionError):
        texts_follow_the_target()


# Law 3: alone or in company


def test_law_3_notices_padding_that_is_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    right = plain.pending

    def padded(canvas: Canvas, cache: Any) -> Any:
        read = right(canvas, cache)
        return replace(read, count_B=torch.full_like(read.count_B, read.width))

    monkeypatch.setattr(plain, "pending", padded)
    notices(checks.alone_or_in_company, LeftToRight(), drafted)


def test_law_3_notices_coins_that_belong_to_a_place_in_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Coins.of_seeds
    shared = staticmethod(lambda seeds, *, cells: right(range(len(seeds)), cells=cells))
    monkeypatch.setattr(Coins, "of_seeds", shared)
    notices(checks.alone_or_in_company, LeftToRight(), cases(sampling=warm))


def test_law_3_notices_a_draft_model_that_reads_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows have texts of other lengths in its tokens, too; its guesses matter where not exact."""
    right = through_text.padded

    def careless(rows: list[list[int]]) -> Pending:
        read = right(rows)
        return Pending(read.tokens_BT, torch.full_like(read.count_B, read.width))

    monkeypatch.setattr(through_text, "padded", careless)
    drafter = ThroughText(Speaking.of(sized(9), WITH_PAIRS), width=3, units=alphabet(6))
    among = cases(sampling=greedy, least_rows=2)
    notices(checks.alone_or_in_company, Lenient(drafter, top=3), among)


def test_law_3_notices_a_mask_that_takes_ragged_rows_for_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = transformer.visible

    def level(cache: Any, *rest: Any) -> Any:
        padded = object.__new__(type(cache))
        padded.__dict__.update(cache.__dict__, lengths=[max(cache.lengths)] * len(cache.lengths))
        return right(padded, *rest)

    monkeypatch.setattr(transformer, "visible", level)
    among = cases(sampling=greedy, models=networks, least_rows=2)
    notices(checks.alone_or_in_company, LeftToRight(), among)


# Law 4: the trace is the result


def test_law_4_notices_a_call_behind_the_meter(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Secretive(LeftToRight):
        def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
            return super().step(model.model, state, sampler)

    check = partial(checks.the_trace_is_the_result, file=tmp_path / "trace.jsonl")
    notices(check, Secretive(), drafted)


def test_law_4_notices_a_change_that_the_trace_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = trace.Step.between

    def forgetful(*args: Any) -> trace.Step:
        step = right(*args)
        return replace(step, changes=step.changes[:1])

    monkeypatch.setattr(loop_of_all.Step, "between", staticmethod(forgetful))
    check = partial(checks.the_trace_is_the_result, file=tmp_path / "trace.jsonl")
    notices(check, PromptCopy(), drafted)


# Law 5: given stays given


def test_law_5_notices_a_pen_that_writes_over_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(self: Canvas, at_B: Any, tokens_BP: Any, count_B: Any, logs: Any = None) -> Canvas:
        tokens_BN, status_BN = self.tokens_BN.clone(), self.status_BN.clone()
        for row, count in enumerate(count_B.tolist()):
            begin = int(at_B[row])
            end = begin + min(count + 1, tokens_BP.shape[1])  # one more than it was told
            cells = slice(begin, min(end, self.tokens_BN.shape[1]))
            tokens_BN[row, cells] = tokens_BP[row, : cells.stop - begin]
            status_BN[row, cells] = DONE
        return replace(self, tokens_BN=tokens_BN, status_BN=status_BN)

    monkeypatch.setattr(Canvas, "write", careless)
    notices(checks.given_stays_given, PromptCopy(), cases(sampling=greedy, forced=True))


def test_law_5_notices_a_draft_that_runs_over_a_forced_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The canvas refuses, but the cache has read what was never written: the text goes wrong."""
    free = lambda canvas: torch.full_like(canvas.frontier_B, 99)  # noqa: E731
    monkeypatch.setattr(loop, "open_run", free)
    notices(same_text, PromptCopy(), cases(sampling=greedy, forced=True))


# What laws 1, 3 and 7 see of the loop's own ways


def test_law_1_notices_a_draft_that_is_always_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick walk, told that the model says what was drafted."""
    real = loop.agreed
    believed = lambda tokens, parents, _: real(tokens, parents, tokens.roll(-1, 1))  # noqa: E731
    monkeypatch.setattr(loop, "agreed", believed)
    notices(same_text, PromptCopy(), cases(sampling=greedy))


@pytest.mark.parametrize(
    "check", [checks.alone_or_in_company, partial(checks.goes_on_where_it_was_stopped, after=2)]
)
def test_laws_3_and_7_notice_drawn_drafts_that_lose_their_pace(
    monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    """A drawn guess is judged by other coins than a token that no guess foretold."""
    monkeypatch.setattr(Speculative, "draws", False)
    other = TableLM.random(seed=4, vocab_size=6, order=1)
    notices(check, Speculative(other), cases(sampling=warm, forced=True, least_rows=2))


# Law 6: bounded


def test_law_6_notices_who_never_ends() -> None:
    @dataclass(frozen=True)
    class Idle(LeftToRight):
        def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
            return state

    notices(checks.ends_in_time, Idle(), drafted)


def test_law_6_notices_more_calls_than_declared() -> None:
    @dataclass(frozen=True)
    class Twice(LeftToRight):
        def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
            model.extend(
                state.canvas.tokens_BN[:, :1], model.new_cache(len(state.canvas.tokens_BN), 1)
            )
            return super().step(model, state, sampler)

    notices(checks.ends_in_time, Twice(), drafted)


@pytest.mark.parametrize("ends", [{"eos_ids": (1,)}, {"strings": ("b",), "new_stream": Letters}])
def test_law_6_notices_who_runs_past_the_end(
    ends: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last token of a step is looked at: left to right never sees the difference."""
    right = stops.Watch._first_stop

    def hasty(self: stops.Watch, row: int, canvas: Canvas, frontier: int) -> int | None:
        self.looked[row] = max(self.looked[row], frontier - 1)
        return right(self, row, canvas, frontier)

    monkeypatch.setattr(stops.Watch, "_first_stop", hasty)
    check = partial(checks.cuts_where_left_to_right_cuts, stops=Stops(**ends))
    notices(check, PromptCopy(), drafted)


# Law 7: the seed decides all


def test_law_7_notices_a_generator_of_the_process() -> None:
    @dataclass(frozen=True)
    class Unseeded(LeftToRight):
        def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
            coins = torch.rand_like(sampler.coins.coins_BNC)
            return super().step(model, state, replace(sampler, coins=Coins(coins)))

    notices(checks.the_seed_decides, Unseeded(), cases(sampling=warm))


def test_law_7_notices_what_is_neither_on_the_canvas_nor_in_the_seed() -> None:
    """It counts its steps and prefers another token at every third."""

    @dataclass(frozen=True)
    class Counting(Reading):
        made: int = 0

    @dataclass(frozen=True)
    class Moody(LeftToRight):
        def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> Counting:
            return Counting(canvas, super().start(model, canvas, sampler).cache)

        def step(self, model: Any, state: Counting, sampler: Sampler) -> Counting:
            moods = replace(sampler.options, logit_bias={state.made % 3: 50.0})
            after = super().step(model, state, replace(sampler, options=moods))
            return Counting(after.canvas, after.cache, state.made + 1)

    check = partial(checks.goes_on_where_it_was_stopped, after=1)
    notices(check, Moody(), drafted)


def test_law_7_notices_coins_that_depend_on_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_kind(seeds: Any, *, cells: int) -> Coins:
        rows = [torch.rand(3, cells, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return Coins(torch.stack(rows).mT.double().contiguous())

    monkeypatch.setattr(Coins, "of_seeds", staticmethod(by_kind))
    among = cases(sampling=warm)
    notices(partial(checks.a_longer_limit_goes_on, more=2), Speculative(sized()), among)


def sized(vocab_size: int = 6) -> TableLM:
    return TableLM.random(seed=5, vocab_size=vocab_size, order=1)


# Law 9: claims are measured


def test_law_9_notices_a_larger_draft_than_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PromptCopy, "most_drafted", property(lambda self: self.width - 1))
    notices(checks.drafts_no_more_than_it_says, PromptCopy(), drafted)


def test_law_9_notices_a_false_claim_to_be_exact() -> None:
    """It writes the second best token where the best one repeats the last."""

    @dataclass(frozen=True)
    class Varied(LeftToRight):
        def step(self, model: Any, state: Reading, sampler: Sampler) -> Reading:
            last = int(state.canvas.tokens_BN[0, max(int(state.canvas.frontier_B[0]) - 1, 0)])
            varied = replace(sampler.options, logit_bias={last: -50.0})
            return super().step(model, state, replace(sampler, options=varied))

    assert Varied.exact
    notices(same_text, Varied(), drafted)
