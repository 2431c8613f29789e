"""llama.cpp as an engine of the benchmark, through llama-cpp-python, at the file's own precision.

    greedy            plain
    prompt-lookup     LlamaPromptLookupDecoding, 10 tokens drafted

`Llama.generate`, ids in and ids out, is its fastest way: no text is made, as for the others. What
it remembers of the prompt before is forgotten first, so that each run reads its prompt.
"""

from functools import cache
from typing import Any

import numpy as np
from llama_cpp import Llama  # pyright: ignore[reportMissingImports]
from llama_cpp.llama_speculative import (  # pyright: ignore[reportMissingImports]
    LlamaPromptLookupDecoding,
)

from benchmarks.engines.engine import Stopwatch, Task, Written, versions

CONTEXT = 2048


class LlamaCpp:
    """Satisfies `Engine`. `model` is a GGUF file."""

    def __init__(self, *, model: str, threads: int) -> None:
        self.model, self.threads = model, threads
        self.loaded = cache(self._load)
        self.watch = Stopwatch()

    def _load(self, decoder: str) -> Llama:
        if decoder not in ("greedy", "prompt-lookup"):
            raise ValueError(f"llama.cpp has no {decoder!r} here")
        lookup = LlamaPromptLookupDecoding(num_pred_tokens=10)
        model = Llama(
            self.model,
            n_ctx=CONTEXT,
            n_threads=self.threads,
            n_threads_batch=self.threads,
            draft_model=lookup if decoder == "prompt-lookup" else None,  # this keeps all logits
            verbose=False,
        )
        evaluate = model.eval

        def counted(tokens: Any) -> None:
            evaluate(tokens)
            self.watch.call_over()

        model.eval = counted
        return model

    def hello(self) -> dict[str, Any]:
        kind = self.loaded("greedy").metadata.get("general.file_type", "")
        found = {**versions("llama_cpp_python"), "GGUF file": KINDS.get(kind, f"type {kind}")}
        return {"versions": found, "precisions": ["own"]}

    def write(self, task: Task) -> Written:
        model = self.loaded(task.decoder)
        model.reset()
        tokens: list[int] = []
        self.watch = Stopwatch()
        for token in model.generate(task.prompt, temp=0.0):
            tokens.append(token)
            if len(tokens) == task.new or token in task.eos:
                break
        return self.watch.written(tokens)

    def score(self, precision: str, windows: list[list[int]]) -> dict[str, Any]:
        model = self.loaded("prompt-lookup")
        logprobs, best = [], []
        for window in windows:
            model.reset()
            model.eval(window)
            logits_TV = model.scores[: len(window) - 1].astype(np.float64)
            top_T1 = logits_TV.max(-1, keepdims=True)
            total_T1 = top_T1 + np.log(np.exp(logits_TV - top_T1).sum(-1, keepdims=True))
            said_TV = logits_TV - total_T1
            logprobs.append(said_TV[np.arange(len(window) - 1), window[1:]].tolist())
            best.append(logits_TV.argmax(-1).tolist())
        return {"logprobs": logprobs, "best": best}


# llama.cpp's numbers for what most tensors of a file are (`llama_ftype`)
KINDS = {
    "0": "F32",
    "1": "F16",
    "2": "Q4_0",
    "3": "Q4_1",
    "7": "Q8_0",
    "8": "Q5_0",
    "9": "Q5_1",
    "10": "Q2_K",
    "14": "Q4_K_S",
    "15": "Q4_K_M",
    "16": "Q5_K_S",
    "17": "Q5_K_M",
    "18": "Q6_K",
    "32": "BF16",
}
