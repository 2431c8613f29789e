"""The index of n-grams finds what a search of the whole text finds."""

from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_text.ngrams import NGrams

texts = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def match_by_hand(text: list[int], ngram: int, shortest: int) -> tuple[int, int]:
    """Longest n-gram first; of its earlier places, the latest that something follows."""
    for n in range(ngram, shortest - 1, -1):
        for end in range(len(text) - 1, n - 1, -1):
            if n <= len(text) and text[end - n : end] == text[-n:]:
                return end, n
    return -1, 0


@given(rows=st.lists(texts, min_size=1, max_size=3), longest=st.integers(1, 4), data=st.data())
def test_the_latest_match_of_the_longest_ngram(
    rows: list[list[int]], longest: int, data: st.DataObject
) -> None:
    """However the texts grow: all at once, or some tokens at a time."""
    shortest = data.draw(st.integers(1, longest))
    grams = NGrams(batch=len(rows), longest=longest, shortest=shortest)
    seen = [1] * len(rows)
    while True:
        some = [row[:n] for row, n in zip(rows, seen, strict=True)]
        found = grams.latest(Canvas.of_prompts(some, new_cells=[1] * len(rows)))
        assert list(zip(*found, strict=True)) == [
            match_by_hand(row, longest, shortest) for row in some
        ]
        if seen == [len(row) for row in rows]:
            return
        steps = [data.draw(st.integers(1, 4)) for _ in rows]
        grown = [n + step for n, step in zip(seen, steps, strict=True)]
        seen = [min(n, len(row)) for n, row in zip(grown, rows, strict=True)]
