"""An engine in a process of its own: JSON lines in, JSON lines out.

    python -m benchmarks.worker transformers --model model.gguf --threads 2
    {"do": "hello"}
    {"do": "score", "precision": "float32", "windows": [[1, 2, 3]]}

Started by `benchmarks.hire`, in the engine's own environment. An answer with "error" is a sentence.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks.engines.engine import Task


def engine_of(name: str, *, model: str, threads: int) -> Any:
    """The engine of this name. Raises ImportError if its packages are not here."""
    match name:
        case "anyorder":
            from benchmarks.engines.ours import Ours

            return Ours(model=model, threads=threads)
        case "transformers":
            from benchmarks.engines.hugging import Hugging

            return Hugging(model=model, threads=threads)
        case "llama.cpp":
            from benchmarks.engines.llama import LlamaCpp

            return LlamaCpp(model=model, threads=threads)
        case _:
            raise ValueError(f"there is no engine {name!r}")


def answer(make: Callable[[], Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked. What goes wrong becomes a sentence: the others can still be measured."""
    do = asked.pop("do")
    try:
        engine = make()
        match do:
            case "hello" | "encode" | "score":
                return getattr(engine, do)(**asked)
            case "write":
                return engine.write(Task(**asked)).words()
            case _:
                raise ValueError(f"a worker can't do {do!r}")
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {lines[0]}"}


def own_stdout() -> TextIO:
    """Stdout for answers alone: what libraries print goes to stderr."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return kept


def main() -> None:
    """Answer until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    chosen = parser.parse_args()
    answers = own_stdout()
    made: list[Any] = []

    def make() -> Any:
        if not made:
            made.append(engine_of(chosen.engine, model=chosen.model, threads=chosen.threads))
        return made[0]

    for line in sys.stdin:
        print(json.dumps(answer(make, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
