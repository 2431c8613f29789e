"""Where the last tokens of a text stood before: an index of n-grams that grows with the text.

grams = NGrams(batch=1, longest=4)
sources, matches = grams.latest(canvas)       # of each row
"""

from anyorder.canvas import Canvas


class NGrams:
    """For every n-gram of a row, up to `longest` tokens, the place of what last followed it."""

    def __init__(self, *, batch: int, longest: int, shortest: int = 1) -> None:
        self.shortest, self.longest = shortest, longest
        self.texts: list[list[int]] = [[] for _ in range(batch)]
        self.after: list[dict[tuple[int, ...], int]] = [{} for _ in range(batch)]

    def latest(self, canvas: Canvas) -> tuple[list[int], list[int]]:
        """Where each text went on, the last time that its last tokens stood there, and how many
        tokens match: as many as possible. No place (-1) has a match of 0.

        Each call must see the same texts as the one before, or longer ones.

        >>> canvas = Canvas.of_prompts([[4, 5, 6, 4, 5], [7, 8]], new_cells=[3, 3])
        >>> NGrams(batch=2, longest=3).latest(canvas)
        ([2, -1], [2, 0])
        """
        sources, matches = [], []
        for row, frontier in enumerate(canvas.frontier_B.tolist()):
            text, after = self.texts[row], self.after[row]
            for token in canvas.tokens_BN[row, len(text) : frontier].tolist():
                for G in self._lengths(text):
                    after[tuple(text[-G:])] = len(text)
                text.append(token)
            places = ((after.get(tuple(text[-G:]), -1), G) for G in reversed(self._lengths(text)))
            source, match = next((found for found in places if found[0] >= 0), (-1, 0))
            sources.append(source)
            matches.append(match)
        return sources, matches

    def _lengths(self, text: list[int]) -> range:
        return range(self.shortest, min(self.longest, len(text)) + 1)
