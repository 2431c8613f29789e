"""The laws of parallel models, each broken on purpose, and noticed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import HealthCheck, Phase, find, settings

from anyorder.decode.one_shot import loop
from anyorder.decode.one_shot.ctc import CTCGreedy
from anyorder.decode.one_shot.dag import DAGBeam, DAGLookahead
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.decode.one_shot.loop import Found, OneShot
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.decode.refine import align_denoise, levenshtein
from anyorder.decode.refine.align_denoise import AlignDenoise
from anyorder.decode.refine.levenshtein import Levenshtein
from anyorder.decode.search import cascade
from anyorder.decode.search.cascade import Cascade
from anyorder.models.capability import CTCModel
from anyorder.models.ngram_lm import NGramModel
from anyorder.models.tables.edits import TableEdits
from anyorder.models.tables.lattices import (
    TableCTC,
    TableDAG,
    TableDenoiser,
    TableExits,
    TableMarkov,
    TableParallel,
)
from tests.laws import checks
from tests.laws.parallel import SourceCase, ngrams, source_cases

MANY_TRIES = settings(
    max_examples=200,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
Check = Callable[[Any, SourceCase], None]


def breaks(check: Check, decoder: Any, case: SourceCase) -> bool:
    try:
        check(decoder, case)
    except AssertionError:
        return True
    return False


def notices(check: Check, decoder: Any, table: Any) -> None:
    """Some case shows the mistake; NoSuchExample where none does."""
    find(
        source_cases(table), partial(breaks, check, decoder), settings=MANY_TRIES, random=Random(0)
    )


@dataclass(frozen=True)
class ReadsPadding(OneShot):
    """Takes every cell of the block for a cell of the row."""

    needs: ClassVar[tuple[type, ...]] = (CTCModel,)

    def find(self, model: Any) -> Found:
        lattice = model.ctc()
        count_B = torch.full_like(lattice.count_B, lattice.logp_BMV.shape[1])

        class Model:
            def ctc(self) -> Any:
                return replace(lattice, count_B=count_B)

        return CTCGreedy().find(Model())


@dataclass(frozen=True)
class Draws(OneShot):
    """Breaks ties, and more, by a generator of the process."""

    needs: ClassVar[tuple[type, ...]] = (CTCModel,)

    def find(self, model: Any) -> Found:
        found = CTCGreedy().find(model)
        return replace(found, tokens_BP=found.tokens_BP + torch.randint(0, 2, (1,)))


def test_padding_that_is_read_is_noticed() -> None:
    notices(checks.alone_or_in_company, ReadsPadding(), TableCTC)


def test_chance_of_its_own_is_noticed() -> None:
    notices(checks.the_seed_decides, Draws(), TableCTC)


@pytest.mark.parametrize(
    ("decoder", "table"),
    [(CTCGreedy(), TableCTC), (DAGLookahead(), TableDAG), (Parallel(), TableParallel)],
)
def test_a_row_that_is_not_ended_is_noticed(
    decoder: Any, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.OneShot, "step", lambda self, model, state, sampler: state)
    notices(checks.given_stays_given, decoder, table)


def test_text_in_the_wrong_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CTCGreedy.find

    def swapped(self: Any, model: Any) -> Found:
        found = right(self, model)
        order_B = torch.arange(len(found.count_B)).flip(0)
        return Found(found.tokens_BP[order_B], found.logprobs_BP[order_B], found.count_B[order_B])

    monkeypatch.setattr(CTCGreedy, "find", swapped)
    notices(checks.alone_or_in_company, CTCGreedy(), TableCTC)


def test_exits_that_depend_on_neighbours_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def joint(self: Any, entropy: float) -> Any:
        return replace(self, entropy=entropy * len(self.sources))

    monkeypatch.setattr(TableExits, "exiting", joint)
    notices(checks.alone_or_in_company, EarlyExit(entropy=0.5), TableExits)


def test_lengths_that_depend_on_neighbours_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = TableParallel.lengths

    def joint(self: Any) -> Any:
        return right(self).mean(0, keepdim=True).expand(len(self.sources), -1)

    monkeypatch.setattr(TableParallel, "lengths", joint)
    notices(checks.alone_or_in_company, Parallel(), TableParallel)


def test_a_window_that_is_that_of_the_longest_row_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = cascade.first_spans

    def joint(logp_BNV: Any, lengths: Any, **options: Any) -> Any:
        high_B = lengths.high_B.amax().expand(len(lengths.high_B))
        return right(logp_BNV, replace(lengths, high_B=high_B), **options)

    monkeypatch.setattr(cascade, "first_spans", joint)
    notices(checks.alone_or_in_company, Cascade(), TableMarkov)


def test_a_cascade_that_drafts_for_ever_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = cascade._shown
    monkeypatch.setattr(
        cascade, "_shown", lambda canvas, text, last: right(canvas, text, last=False)
    )
    notices(checks.given_stays_given, Cascade(order=1), TableMarkov)


def test_editing_that_ends_for_all_rows_at_once_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Levenshtein._judged

    def joint(self: Any, state: Any) -> Any:
        state = right(self, state)
        return replace(state, live_B=state.live_B.all().expand_as(state.live_B))

    monkeypatch.setattr(Levenshtein, "_judged", joint)
    notices(checks.alone_or_in_company, Levenshtein(), TableEdits)


def test_editing_that_does_not_know_its_own_texts_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Levenshtein._judged

    def forgetful(self: Any, state: Any) -> Any:
        return replace(right(self, state), live_B=state.live_B)

    monkeypatch.setattr(Levenshtein, "_judged", forgetful)
    notices(checks.given_stays_given, Levenshtein(rounds=2), TableEdits)


def test_a_beginning_that_is_deleted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(text: Any, origins: Any) -> Any:
        first_BM = origins.origin_BM.clone()
        first_BM[:, 0] = -1
        return right(text, replace(origins, origin_BM=first_BM))

    right = levenshtein._edited
    monkeypatch.setattr(levenshtein, "_edited", careless)
    notices(checks.given_stays_given, Levenshtein(rounds=2), TableEdits)


def test_a_language_model_that_remembers_other_texts_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right, seen = NGramModel.extend, dict[int, int]()

    def partial_to_the_old(self: Any, state: Any, token: int) -> Any:
        seen[token] = seen.get(token, 0) + 1
        state, logp = right(self, state, token)
        return state, logp - 0.5 * seen[token]

    def alone(decoder: Any, case: SourceCase) -> None:
        seen.clear()  # as in a process of its own
        checks.alone_or_in_company(decoder, case)

    monkeypatch.setattr(NGramModel, "extend", partial_to_the_old)
    notices(alone, DAGBeam(width=4, language_model=ngrams(), weight=1.0), TableDAG)


def test_a_weight_that_is_forgotten_is_noticed() -> None:
    """A beam that asks its n-grams writes something else than one that does not."""

    def as_plain(decoder: Any, case: SourceCase) -> None:
        checks.same(checks.written(decoder, case), checks.written(DAGBeam(width=4), case))

    notices(as_plain, DAGBeam(width=4, language_model=ngrams(), weight=1.0), TableDAG)


def test_texts_that_are_denoised_while_others_change_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = align_denoise.shown

    def together(canvas: Any, found: Found, ready_B: Any) -> Any:
        return right(canvas, found, ready_B.all().expand(len(ready_B)))

    monkeypatch.setattr(align_denoise, "shown", together)
    notices(checks.alone_or_in_company, AlignDenoise(), TableDenoiser)


def test_a_draft_that_is_never_ready_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = align_denoise.shown
    monkeypatch.setattr(
        align_denoise, "shown", lambda canvas, found, ready_B: right(canvas, found, ready_B & False)
    )
    notices(checks.given_stays_given, AlignDenoise(steps=1), TableDenoiser)


def test_a_step_of_denoising_too_many_is_noticed() -> None:
    def as_aligned(decoder: Any, case: SourceCase) -> None:
        checks.same(checks.written(decoder, case), checks.written(CTCGreedy(), case))

    notices(as_aligned, AlignDenoise(steps=1), TableDenoiser)
