"""A draft-and-verify decoder, call by call: what was drafted behind which text."""

from collections.abc import Iterator

from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import pending
from tests.laws.cases import Case


def drafted(decoder: DraftVerify, case: Case) -> Iterator[tuple[int, list[int], list[int]]]:
    """Of every call that may check a draft, and every row: the row, its text, its guesses (a
    chain). No row ends before its cells are full.
    """
    sampler = case.sampler()
    state = decoder.start(case.model, case.canvas(), sampler)
    while bool(state.canvas.open_BN.any()):
        canvas = state.canvas
        if pending(canvas, state.cache).width == 1 and int(state.cache.length_B.max()):
            draft = decoder.draft(state.memory, canvas, sampler)
            for row, end in enumerate(canvas.frontier_B.tolist()):
                guesses = []
                if draft is not None:
                    guesses = draft.tokens_BK[row][draft.parents_BK[row] > -2].tolist()
                yield row, canvas.tokens_BN[row, :end].tolist(), guesses
        state = decoder.step(case.model, state, sampler)
