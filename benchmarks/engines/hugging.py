"""transformers as an engine of the benchmark: `generate`, greedy, with its own drafting.

    greedy                plain
    prompt-lookup         prompt_lookup_num_tokens=10
    assisted:layers=3     assisted generation, the first 3 layers of the model as the assistant
                          (`assistant_early_exit`): there is no small model of the same vocabulary

All else as `generate` has it by default.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from benchmarks.engines.engine import Stopwatch, Task, Written, versions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Hugging:
    """Satisfies `Engine`. `model` is a folder of Hugging Face's, or a GGUF file."""

    def __init__(self, *, model: str, threads: int) -> None:
        torch.set_num_threads(threads)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.model = Path(model)
        self.loaded = cache(self._load)
        self.watch = Stopwatch()

    def _load(self, precision: str) -> Any:
        is_file = self.model.is_file()
        model: Any = AutoModelForCausalLM.from_pretrained(
            self.model.parent if is_file else self.model,
            gguf_file=self.model.name if is_file else None,
            dtype=DTYPES[precision],
        )
        model.eval()
        layers, forward = model.config.num_hidden_layers, model.forward

        def counted(*inputs: Any, **options: Any) -> Any:
            made = forward(*inputs, **options)
            # an early exit is the same model, with fewer layers for a while
            self.watch.call_over(draft=model.config.num_hidden_layers < layers)
            return made

        model.forward = counted
        return model

    def hello(self) -> dict[str, Any]:
        found = versions("transformers")
        return {
            "versions": {**found, "torch of transformers": torch.__version__},
            "precisions": list(DTYPES),
        }

    def write(self, task: Task) -> Written:
        model = self.loaded(task.precision)
        prompt_1T = torch.tensor([task.prompt])
        self.watch = Stopwatch()
        whole_1N = model.generate(
            prompt_1T,
            attention_mask=torch.ones_like(prompt_1T),
            max_new_tokens=task.new,
            do_sample=False,
            eos_token_id=task.eos,
            pad_token_id=task.eos[0],
            **options_of(task.decoder),
        )
        return self.watch.written(whole_1N[0, len(task.prompt) :].tolist())

    def score(self, precision: str, windows: list[list[int]]) -> dict[str, Any]:
        model = self.loaded(precision)
        logprobs, best = [], []
        for window in windows:
            row_1T = torch.tensor([window])
            with torch.inference_mode():
                logits_TV = model(row_1T).logits[0, :-1].float()
            said_T1 = logits_TV.log_softmax(-1).gather(-1, row_1T[0, 1:, None])
            logprobs.append(said_T1[:, 0].tolist())
            best.append(logits_TV.argmax(-1).tolist())
        return {"logprobs": logprobs, "best": best}


def options_of(decoder: str) -> dict[str, Any]:
    """What `generate` wants to hear."""
    name, _, layers = decoder.partition(":layers=")
    match name:
        case "greedy":
            return {}
        case "prompt-lookup":
            return {"prompt_lookup_num_tokens": 10}
        case "assisted":
            return {"assistant_early_exit": int(layers)}
        case _:
            raise ValueError(f"transformers has no {decoder!r} here")
