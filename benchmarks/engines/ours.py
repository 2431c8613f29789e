"""anyorder as an engine of the benchmark: any exact decoder, by its name, in any precision.

Also turns prompts into ids, for all engines.
"""

from functools import cache
from typing import Any

import torch

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.language_model import LanguageModel
from anyorder.models.load import load
from anyorder.trace import fold
from benchmarks.engines.engine import Stopwatch, Task, Written, versions

PRECISIONS = ("float32", "bfloat16", "int8")


class Ours:
    """Satisfies `Engine`. `model` is what `anyorder.load` takes."""

    def __init__(self, *, model: str, threads: int) -> None:
        self.model, self.threads = model, threads
        self.loaded = cache(self._load)

    def _load(self, precision: str) -> LanguageModel:
        return load(self.model, precision=precision, threads=self.threads)  # type: ignore[arg-type]

    def hello(self) -> dict[str, Any]:
        return {"versions": versions("anyorder", "torch"), "precisions": list(PRECISIONS)}

    def encode(self, texts: list[str], *, chat: bool) -> dict[str, Any]:
        """The ids of each text (as a user's message, if `chat`), and what ends an answer."""
        lm = self.loaded(PRECISIONS[0])
        rows = [lm.units.encode(text, chat=chat) for text in texts]
        return {"rows": rows, "eos": list(lm.eos_ids), "name": lm.name}

    def write(self, task: Task) -> Written:
        lm = self.loaded(task.precision)
        decoder = parse(task.decoder)
        watch = Stopwatch()
        canvas = Canvas.of_prompts([task.prompt], new_cells=[task.new])
        sampler = Sampler(Sampling(), Coins.of_seeds((0,), cells=canvas.tokens_BN.shape[1]))
        trace = run(decoder, lm.model, canvas, sampler, Stops(eos_ids=tuple(task.eos)))
        tokens = fold(trace).row(0)[len(task.prompt) :]
        seconds = watch.elapsed()
        return Written(
            tokens, seconds, trace.steps[0].seconds, trace.cost.calls, trace.cost.draft_calls
        )

    def score(self, precision: str, windows: list[list[int]]) -> dict[str, Any]:
        lm = self.loaded(precision)
        logprobs, best = [], []
        for window in windows:
            row_1T = torch.tensor([window])
            with torch.inference_mode():
                logits_TV = lm.model.extend(row_1T, lm.model.new_cache(1, len(window)))[0, :-1]
            said_T1 = logits_TV.float().log_softmax(-1).gather(-1, row_1T[0, 1:, None])
            logprobs.append(said_T1[:, 0].tolist())
            best.append(logits_TV.argmax(-1).tolist())
        return {"logprobs": logprobs, "best": best}
