"""The losses of a training, as a picture beside its log.

plot(Path("my-model/training"))               # writes loss.png, if matplotlib is there
"""

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SMOOTH = 50  # steps over which the training loss is averaged


def plot(folder: Path) -> Path | None:
    """Draw `log.jsonl`; None where matplotlib is not installed. Nats a token, by step."""
    if find_spec("matplotlib") is None:
        return None
    steps, losses, checks, held_out = curves(folder / "log.jsonl")
    figure_module: Any = import_module("matplotlib.figure")
    figure = figure_module.Figure(figsize=(7, 4))
    axes = figure.subplots()
    axes.plot(steps, losses, color="#9aa5b1", linewidth=1.0, label=f"training ({SMOOTH} steps)")
    axes.plot(checks, held_out, color="#0b6e99", marker="o", markersize=4, label="held out")
    axes.set(xlabel="step", ylabel="nats a token", ylim=(0, None), title=folder.parent.name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(folder / "loss.png", dpi=120)
    return folder / "loss.png"


def curves(log: Path) -> tuple[list[int], list[float], list[int], list[float]]:
    """Steps with their smoothed training loss, checks with their held-out loss. Of a step that was
    made twice, because the run was killed, the later line counts.
    """
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    loss = {line["step"]: line["loss"] for line in lines if "loss" in line}
    checks = {line["step"]: line["held_out"] for line in lines if "held_out" in line}
    steps, values = sorted(loss), [loss[step] for step in sorted(loss)]
    smooth = []
    for i in range(len(values)):
        part = values[max(0, i + 1 - SMOOTH) : i + 1]
        smooth.append(sum(part) / len(part))
    return steps, smooth, sorted(checks), [checks[step] for step in sorted(checks)]
