"""On a graphics processor: our decoders beside transformers, and a call beside its memory.

    python -m benchmarks.graphics                     # about 10 minutes; needs CUDA

Texts: prompts of all our kinds, one after the other and eight together, every writer in turns;
figures are tokens a second, medians over the turns, the first of which (in which graphs are
captured) does not count. Calls: networks with random weights; `share` is the time in which the
memory could be read that a call must read, over the time that the call takes.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch import Tensor

from anyorder.cli import screen
from anyorder.decode.generate import generate
from anyorder.measure.turns import in_turn
from anyorder.measure.verify.hugging import Generation
from anyorder.measure.verify.subject import Ask
from anyorder.models.hugging.network import opened
from anyorder.models.load import load
from anyorder.nets.device import called, device
from anyorder.nets.native import build
from anyorder.systems.prompts import groups, kinds
from benchmarks.hire import ROOT
from benchmarks.report import report

PLAIN: Final = "left-to-right"
DECODERS: Final = (PLAIN, "prompt-copy", "token-recycling", "auto")
PEER: Final = "transformers"
TOGETHER: Final = 8
LLAMA: Final = {
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
SHAPES: Final = {  # vocabulary, channels, middle, layers, heads, key heads, head width
    "135M": (49152, 576, 1536, 30, 9, 3, 64),
    "1.7B": (49152, 2048, 8192, 24, 32, 32, 64),
    "7B": (32000, 4096, 14336, 32, 32, 8, 128),
}
Write = Callable[[Sequence[str]], list[list[int]]]


def ours(lm: Any, decoder: str, most: int) -> Write:
    """The tokens that a decoder writes."""

    def write(prompts: Sequence[str]) -> list[list[int]]:
        out: Any = generate(lm, list(prompts), decoder=decoder, max_new_tokens=most)
        return [list(row) for row in out.tokens]

    return write


def theirs(source: str, precision: str, most: int, asked: dict[str, Any]) -> Write:
    """The same of transformers."""
    model, units = opened(source, precision)
    peer = Generation(model.to("cuda"), units, asked)

    def write(prompts: Sequence[str]) -> list[list[int]]:
        said = peer.write([Ask(prompt, most) for prompt in prompts])
        return [[int(token) for token in each.tokens] for each in said]

    return write


def writers_of(source: str, precision: str, most: int) -> dict[str, Write]:
    """All who write in that precision."""
    lm: Any = load(source, precision=precision, device="cuda")  # type: ignore[arg-type]
    made = {name: ours(lm, name, most) for name in DECODERS}
    lm = load(source, precision=precision, device="cuda", exactness="bitwise")  # type: ignore[arg-type]
    made |= {f"{name}, bitwise": ours(lm, name, most) for name in (PLAIN, "auto")}
    made[f"{PEER} greedy"] = theirs(source, precision, most, {})
    lookup = {"prompt_lookup_num_tokens": 10}
    made[f"{PEER} prompt lookup"] = theirs(source, precision, most, lookup)
    return made


def texts(source: str, precision: str, options: Any) -> list[dict[str, Any]]:
    """A row for each kind of prompts and writer, and for all together in one batch."""
    writers = writers_of(source, precision, options.max_new_tokens)
    batches = {kind: [[text] for text in of(kind, options.each)] for kind in kinds()}
    mixed = [text for row in zip(*(of(kind, 2) for kind in kinds()), strict=True) for text in row]
    batches[f"{TOGETHER} together"] = [mixed[:TOGETHER]]
    rates: dict[tuple[str, str], list[float]] = {}
    said: dict[tuple[str, str], Any] = {}
    for number in range(options.repeats + 1):
        for name in in_turn(list(writers), number):
            screen.remark(f"turn {number}: {name}, {precision}")
            for kind, several in batches.items():
                if "lookup" in name and len(several[0]) > 1:
                    continue  # it writes one text at a time
                rate, written = timed(writers[name], several)
                if number:
                    said[kind, name] = written
                    rates.setdefault((kind, name), []).append(rate)
    return [
        {
            "precision": precision,
            "kind": kind,
            "writer": name,
            "tokens_per_s": median(found),
            "spread": max(found) - min(found),
            "over_greedy": median(found) / median(rates[kind, f"{PEER} greedy"]),
            "same_text": said[kind, name] == said[kind, plain_of(name)],
            "as_transformers": said[kind, name] == said[kind, f"{PEER} greedy"],
        }
        for (kind, name), found in rates.items()
    ]


def plain_of(name: str) -> str:
    """Who writes left to right in the same way."""
    return f"{PLAIN}, bitwise" if "bitwise" in name else PLAIN


def of(kind: str, many: int) -> list[str]:
    """Prompts of a kind."""
    return list(groups((kind,), 1, each=many)[0].values())


def timed(write: Write, batches: Sequence[Sequence[str]]) -> tuple[float, Any]:
    """Tokens a second over all batches, and what was written."""
    begun = time.perf_counter()
    written = [write(batch) for batch in batches]
    took = time.perf_counter() - begun
    return sum(len(row) for rows in written for row in rows) / took, written


def calls(name: str, *, same_bits: bool = False) -> list[dict[str, Any]]:
    """Milliseconds of calls of a network with random weights, after 100 cells."""
    config, tensors = random_weights(name)
    cuda = torch.device("cuda")
    net: Any = build(config, tensors, "bfloat16", device=cuda, same_bits=same_bits)
    held = sum(x.numel() for x in tensors.values()) - tensors["model.embed_tokens.weight"].numel()
    del tensors
    best, rows = 2 * held / bandwidth(), []
    for batch, cells in ((1, 1), (1, 8), (1, 16), (8, 1), (8, 8)):
        cache = net.new_cache(batch, 200)
        cache.lengths = [100] * batch
        tokens_BT = torch.randint(0, 3000, (batch, cells))
        took = milliseconds(lambda t=tokens_BT, c=cache: net.extend(t, c))
        rows.append(
            {
                "network": name + (", bitwise" if same_bits else ""),
                "batch": batch,
                "cells": cells,
                "ms": took,
                "gigabytes": 2 * held / 1e9,
                "share": 1000 * best / took,
            }
        )
    return rows


def random_weights(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A config, and weights in bfloat16 on the device."""
    V, C, M, L, H, K, D = SHAPES[name]
    config = LLAMA | {"vocab_size": V, "hidden_size": C, "intermediate_size": M}
    config |= {"num_hidden_layers": L, "num_attention_heads": H}
    config |= {"num_key_value_heads": K, "head_dim": D}

    def weight(*size: int) -> Tensor:
        return torch.empty(size, device="cuda", dtype=torch.bfloat16).normal_(0, 0.03)

    tensors = {"model.embed_tokens.weight": weight(V, C), "lm_head.weight": weight(V, C)}
    tensors["model.norm.weight"] = weight(C) + 1
    sizes = {"self_attn.q_proj": (H * D, C), "self_attn.o_proj": (C, H * D)}
    sizes |= {f"self_attn.{name}_proj": (K * D, C) for name in "kv"}
    sizes |= {"mlp.gate_proj": (M, C), "mlp.up_proj": (M, C), "mlp.down_proj": (C, M)}
    for at in (f"model.layers.{layer}." for layer in range(L)):
        tensors |= {f"{at}{name}.weight": weight(*size) for name, size in sizes.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}{norm}.weight"] = weight(C) + 1
    return config, tensors


def bandwidth() -> float:
    """Bytes a second that this memory can be read with: a sum over 2 GiB."""
    held = torch.ones(2**28, dtype=torch.int64, device="cuda")
    return 8 * held.numel() / (milliseconds(held.sum) / 1000)


def milliseconds(act: Callable[[], Any], repeats: int = 30) -> float:
    """The median, each until the device is done."""
    took = []
    for turn in range(repeats + 3):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        act()
        torch.cuda.synchronize()
        if turn >= 3:
            took.append(1000 * (time.perf_counter() - begun))
    return median(took)


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    rows: list[dict[str, Any]] = []
    try:
        where = device("cuda")
        for name in options.networks:
            rows += calls(name) + calls(name, same_bits=True)
            torch.cuda.empty_cache()
        for precision in options.precisions:
            rows += texts(options.model, precision, options)
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    report(
        rows,
        options.out or ROOT / "results" / "graphics-smollm2.json",
        device=called(where),
        read_bytes_per_s=bandwidth(),
        prompts_a_kind=options.each,
        max_new_tokens=options.max_new_tokens,
        repeats=options.repeats,
    )
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.graphics", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--precisions", nargs="*", default=["bfloat16", "float32"])
    add("--networks", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    add("--each", type=int, default=1, help="prompts of a kind")
    add("--repeats", type=int, default=5)
    add("--max-new-tokens", type=int, default=64)
    add("--out", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
