"""The table in README.md, written from results/peers-smollm2.json.

python -m benchmarks.readme            # writes it; a test asserts that it is up to date
"""

import re
from collections.abc import Sequence
from pathlib import Path

from anyorder.measure.results import Peer, Peers, read_peers

ROOT = Path(__file__).parents[1]
IN_LLAMA = ("own", "anyorder")  # our decoders over its forward pass
RESULT = ROOT / "results" / "peers-smollm2.json"


def markdown(peers: Peers) -> str:
    """Tokens per second: a line for each engine's plain decoder and each engine's best, by task."""
    tasks = list(dict.fromkeys(row.task for row in peers.rows))
    lines = [f"| precision | | {' | '.join(tasks)} |", "|---|---|" + "---:|" * len(tasks)]
    for precision in dict.fromkeys(row.precision for row in peers.rows):
        for engine in dict.fromkeys(row.engine for row in peers.rows):
            rows = [r for r in peers.rows if (r.precision, r.engine) == (precision, engine)]
            plain = [r for r in rows if r.decoder in ("greedy", "left-to-right")]
            if rows:
                shown = "its own (Q4_1)" if precision == "own" else precision
                name = "anyorder in llama.cpp" if (precision, engine) == IN_LLAMA else engine
                lines.append(_line(shown, f"{name}, one token a call", plain, tasks))
                lines.append(_line(shown, f"{name}, best of its decoders", rows, tasks))
    return "\n".join(lines) + "\n"


def _line(precision: str, who: str, rows: Sequence[Peer], tasks: Sequence[str]) -> str:
    best = [max((r.tokens_per_s for r in rows if r.task == t), default=0.0) for t in tasks]
    return f"| {precision} | {who} | " + " | ".join(f"{rate:.0f}" for rate in best) + " |"


def page(readme: str, peers: Peers) -> str:
    """The page with the table of `peers` in its place."""
    return placed(readme, "peers", markdown(peers))


def placed(text: str, name: str, table: str) -> str:
    """A page with a table between the lines that name its place.

    Raises ValueError where the page has no such place.
    """
    place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if not place.search(text):
        raise ValueError(f"the page lacks the lines <!-- {name} --> and <!-- /{name} -->")
    return place.sub(lambda _: table, text)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(page(path.read_text(encoding="utf-8"), read_peers(RESULT)), encoding="utf-8")
