"""What it costs that no drafting changes a bit: compiled code beside torch's own operators.

    python -m benchmarks.exactness                    # about five minutes on two cores

anyorder's compiled code sums in one order however a text is cut into calls; it is what
`--exactness bitwise` insists on, and the default where it can be made. Torch's operators serve
elsewhere, and promise nothing. Both compute the same weights here, in the same precision, and take
turns at each of the six prompts of the demo. `bits`: the share of a text's places whose logits are
the same bits in one call as in calls of one token; `apart`: the largest difference of two logits.
`price`: by how much the compiled code is slower than the operators; below 0 it is quicker. The
result is `results/exactness-<model>.json`.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch

from anyorder.cli import screen
from anyorder.cli.prompts import read as read_prompts
from anyorder.decode.generate import generate
from anyorder.measure.turns import in_turn
from anyorder.models.files.checkpoint import read
from anyorder.models.files.fetch import MODELS, fetch
from anyorder.models.language_model import LanguageModel
from anyorder.models.load import load
from anyorder.nets.native import build
from anyorder.nets.precision import PRECISIONS, operators
from anyorder.nets.sizes import sizes_of
from benchmarks.hire import ROOT
from benchmarks.report import report
from benchmarks.targets import Verdict

BITWISE: Final = "compiled"
OTHER: Final = "operators"
DECODERS: Final = ("left-to-right", "prompt-copy")


def networks(source: str, precision: str) -> dict[str, LanguageModel]:
    """The same weights, computed in both ways.

    Raises ValueError where compiled code can't be made, or the model is not native.
    """
    bitwise = load(source, precision=precision, exactness="bitwise")  # type: ignore[arg-type]
    assert isinstance(bitwise, LanguageModel), "others have no calls of single tokens"
    kept = read(fetch(source) if source in MODELS else source)
    channels = sizes_of(kept.config).shape.channels
    form = operators(precision, rows=3 * channels, columns=channels)
    screen.remark(f"{precision}: beside the form {form.name!r}")
    other: Any = build(kept.config, kept.tensors, form)
    return {BITWISE: bitwise, OTHER: replace(bitwise, model=other)}


@torch.inference_mode()
def same_bits(lm: LanguageModel, prompt: str) -> tuple[float, float]:
    """The share of places whose logits are the same bits, and the largest difference."""
    row_1T = torch.tensor([lm.units.encode(prompt)])
    T = row_1T.shape[1]
    whole_TV = lm.model.extend(row_1T, lm.model.new_cache(1, T))[0]
    cache, calls = lm.model.new_cache(1, T), []
    for at in range(T):
        calls.append(lm.model.extend(row_1T[:, at : at + 1], cache)[0])
        cache.keep(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, dtype=torch.long))
    single_TV = torch.cat(calls)
    same_T = (whole_TV == single_TV).all(-1)
    return same_T.float().mean().item(), (whole_TV - single_TV).abs().max().item()


def measured(source: str, precision: str, prompts: Sequence[str], options: Any) -> list[Any]:
    """A row for each network and decoder; all take turns at each prompt."""
    lms = networks(source, precision)
    runs = [(name, decoder) for name in lms for decoder in DECODERS]
    rates: dict[tuple[str, str], list[float]] = {run: [] for run in runs}
    texts: dict[tuple[str, str], list[str]] = {run: [] for run in runs}
    for name, decoder in runs:
        generate(lms[name], prompts[0], decoder=decoder, max_new_tokens=8)  # sets up kernels
    for number in range(options.repeats):
        tokens, seconds = dict.fromkeys(runs, 0), dict.fromkeys(runs, 0.0)
        for prompt in prompts:
            for name, decoder in in_turn(runs, number):
                begun = time.perf_counter()
                out = generate(
                    lms[name], prompt, decoder=decoder, max_new_tokens=options.max_new_tokens
                )
                seconds[name, decoder] += time.perf_counter() - begun
                tokens[name, decoder] += len(out.tokens)
                texts[name, decoder].append(str(out.text))
        for run in runs:
            rates[run].append(tokens[run] / seconds[run])
        screen.remark(f"{precision}: turn {number + 1} of {options.repeats}")
    bits = {name: [same_bits(lm, prompt) for prompt in prompts] for name, lm in lms.items()}
    return [
        {
            "precision": precision,
            "network": name,
            "decoder": decoder,
            "tokens_per_s": median(found),
            "spread": max(found) - min(found),
            "same_text": texts[name, decoder] == texts[name, DECODERS[0]],
            "bits": sum(share for share, _ in bits[name]) / len(prompts),
            "apart": max(apart for _, apart in bits[name]),
            "price": 1 - median(a / b for a, b in zip(found, rates[OTHER, decoder], strict=True)),
        }
        for (name, decoder), found in rates.items()
    ]


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    """What was promised: no bit changes, for a quarter of the tokens per second at the most."""
    found = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        mine = [r for r in rows if (r["precision"], r["network"]) == (precision, BITWISE)]
        least = min(row["bits"] for row in mine)
        found.append(Verdict(f"the same bits at every place, {precision}", 1.0, least))
        worst = max(mine, key=lambda row: row["price"])
        text = f"at least 0.75 of the operators' tokens per second, {precision}"
        found.append(Verdict(text, 0.75, 1 - worst["price"], worst["decoder"]))
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    torch.set_num_threads(options.threads)
    rows = list[dict[str, Any]]()
    try:
        lines, broken = read_prompts(options.prompts)
        if broken or not lines:
            raise ValueError(broken[0] if broken else f"{options.prompts} has no prompts")
        for precision in options.precisions:
            rows += measured(options.model, precision, [line.prompt for line in lines], options)
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    name = Path(options.model).name
    report(
        rows,
        options.out or ROOT / "results" / f"exactness-{name}.json",
        model=name,
        threads=options.threads,
        prompts=len(lines),
        max_new_tokens=options.max_new_tokens,
        kept=verdicts(rows),
    )
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.exactness", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2", help="a native model")
    add("--prompts", type=Path, default=ROOT / "examples" / "prompts.jsonl")
    add("--precisions", nargs="+", default=list(PRECISIONS))
    add("--repeats", type=int, default=3)
    add("--max-new-tokens", type=int, default=96)
    add("--threads", type=int, default=2)
    add("--out", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
