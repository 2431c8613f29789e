"""A stand-in for llama-cpp-python 0.3.36: `Llama` over a table of what follows which letter.

    install(monkeypatch)                    # `import llama_cpp` finds it now
    install(monkeypatch, fault="trusts")    # it takes what was drafted, and does not check it

What it has is called as there, has the same defaults, and drafts, checks and stops in the same way.
"""

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from anyorder.measure.verify import llamacpp
from tests.laws.tongues import alphabet

V = 8
# the next letter of the alphabet is likely, and all others are just below what `min_p` leaves
TABLE_VV = 3.2 * np.roll(np.eye(V, dtype=np.float32), 1, axis=1)


class LlamaPromptLookupDecoding:
    """What followed the last few tokens when they came before."""

    def __init__(self, max_ngram_size: int = 2, num_pred_tokens: int = 10) -> None:
        self.max_ngram_size, self.num_pred_tokens = max_ngram_size, num_pred_tokens

    def __call__(self, input_ids: np.ndarray, /) -> np.ndarray:
        ids = input_ids.tolist()
        for n in range(min(self.max_ngram_size, len(ids) - 1), 0, -1):
            for at in range(len(ids) - n):
                if ids[at : at + n] == ids[-n:]:
                    return input_ids[at + n : at + n + self.num_pred_tokens]
        return input_ids[:0]


class Llama:
    """`begun`: how many tokens were kept when a text began; `calls`: cells of each call."""

    fault = ""

    def __init__(
        self,
        model_path: str,
        *,
        n_ctx: int = 512,
        n_batch: int = 512,
        n_threads: int | None = None,
        n_threads_batch: int | None = None,
        logits_all: bool = False,
        draft_model: Any = None,
        verbose: bool = True,
    ) -> None:
        self.draft_model = draft_model
        self.n_tokens = 0
        self.input_ids = np.zeros(n_ctx, np.intc)
        self.scores = np.zeros((n_ctx if logits_all else n_batch, V), np.float32)
        self.begun: list[int] = []
        self.calls: list[int] = []

    def n_ctx(self) -> int:
        return len(self.input_ids)

    def reset(self) -> None:
        self.n_tokens = 0

    def eval(self, tokens: Sequence[int]) -> None:
        begin, end = self.n_tokens, self.n_tokens + len(tokens)
        self.input_ids[begin:end] = tokens
        self.scores[begin:end] = TABLE_VV[list(tokens)]
        self.n_tokens = end
        self.calls.append(len(tokens))

    def sample(self, idx: int, temp: float, min_p: float) -> int:
        if self.fault == "trusts" and idx + 1 < self.n_tokens:
            return int(self.input_ids[idx + 1])
        if temp == 0.0:
            return int(self.scores[idx].argmax())
        shares_V = np.exp(self.scores[idx].astype(np.float64))
        shares_V[shares_V < min_p * shares_V.max()] = 0.0
        shares_V = shares_V ** (1 / temp)
        return int(self.coins.choice(V, p=shares_V / shares_V.sum()))

    def generate(
        self, tokens: Sequence[int], min_p: float = 0.05, temp: float = 0.8
    ) -> Iterator[int]:
        self.begun.append(self.n_tokens)
        tokens = list(tokens)
        idx = self.n_tokens + len(tokens) - 1
        while True:
            self.eval(tokens)
            while idx < self.n_tokens:
                token = self.sample(idx, temp, min_p)
                idx += 1
                yield token
                tokens = [token]
                if idx < self.n_tokens and token != self.input_ids[idx]:
                    self.n_tokens = idx
                    break
            if self.draft_model is not None:
                self.input_ids[self.n_tokens] = tokens[0]
                drafted = self.draft_model(self.input_ids[: self.n_tokens + 1])
                tokens += drafted.tolist()[: self.n_ctx() - self.n_tokens - 1]

    def create_completion(
        self,
        prompt: list[int],
        max_tokens: int = 16,
        temperature: float = 0.8,
        top_p: float = 0.95,
        min_p: float = 0.05,
        typical_p: float = 1.0,
        stop: Sequence[str] = (),
        repeat_penalty: float = 1.0,
        top_k: int = 40,
        seed: int | None = None,
    ) -> dict[str, Any]:
        self.coins = np.random.default_rng(seed)
        written: list[int] = []
        text = ""
        for token in self.generate(prompt, temp=temperature, min_p=min_p):
            written.append(token)
            text = alphabet(V).decode(written)
            found = [string for string in stop if string in text and self.fault != "stops"]
            if found:
                text = text[: text.index(found[0])]
                break
            if len(written) >= max_tokens:
                break
        return {"choices": [{"text": text}]}


def install(monkeypatch: pytest.MonkeyPatch, fault: str = "") -> None:
    """It is imported in the place of the real one, and its letters are the units of every file."""
    package, drafting = ModuleType("llama_cpp"), ModuleType("llama_cpp.llama_speculative")
    vars(package)["Llama"] = type("Llama", (Llama,), {"fault": fault})
    vars(drafting)["LlamaPromptLookupDecoding"] = LlamaPromptLookupDecoding
    monkeypatch.setitem(sys.modules, "llama_cpp", package)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama_speculative", drafting)
    monkeypatch.setattr(llamacpp, "Weights", lambda path, *, vocab_only: path)
    monkeypatch.setattr(llamacpp, "units_of", lambda weights: alphabet(V))
