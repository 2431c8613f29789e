"""What a language model writes itself, with its features: what its own head learns from.

    texts = written(network, prompts, eos_ids, Path("my-head/texts"), new=224)
    texts.rows[5], texts.features(5)              # tokens, and features of the cells before them

Everything is written down as it comes; a run that was stopped goes on with the same call.
Shapes: B rows, T cells of a prompt, V vocabulary, N tokens of a text, C channels.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.network import Network

TOGETHER = 32  # texts that are written at once, at the most, and
CELLS = 16_384  # as many cells as they may have together, the new ones included
LEFT = 6  # a batch ends when less than one in so many texts is still being written


@dataclass(frozen=True)
class OwnTexts:
    """Texts and features, on the disk. `begins`: where the features of a text begin."""

    rows: tuple[tuple[int, ...], ...]
    begins: tuple[int, ...]
    memory: np.ndarray

    @staticmethod
    def opened(folder: Path, channels: int) -> "OwnTexts":
        """All that was written so far."""
        lines = (folder / "texts.jsonl").read_text().splitlines()
        rows = tuple(tuple(json.loads(line)) for line in lines)
        begins = np.cumsum([0, *map(len, rows)])
        memory = np.memmap(folder / "features.f16", np.float16, mode="r")
        cells = memory[: int(begins[-1]) * channels].reshape(-1, channels)
        return OwnTexts(rows, tuple(begins[:-1].tolist()), cells)

    def features(self, text: int) -> Float[Tensor, "N C"]:
        """Of the cell before each token of a text, as the model's head reads them."""
        begin = self.begins[text]
        cells = self.memory[begin : begin + len(self.rows[text])]
        return torch.from_numpy(cells.astype(np.float32))


def written(
    network: Network,
    prompts: Sequence[Sequence[int]],
    eos_ids: Sequence[int],
    folder: Path,
    *,
    new: int,
    on_text: Callable[[int], None] | None = None,
) -> OwnTexts:
    """Let the network write what it finds likeliest after each prompt, `new` tokens at the most.

    `network` is built with features (`nets.native.build`). Prompts of like length are read
    together; `on_text` is told how many texts there are. Raises ValueError for no prompts.
    """
    if not prompts:
        raise ValueError("there are no prompts to write after")
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    channels = network.shape.channels
    groups = _groups([len(prompts[i]) + new for i in order], order)
    np.random.default_rng(0).shuffle(groups)  # what is there after a part is of all lengths
    settled = _settled(folder, channels, [len(group) for group in groups])
    there = sum(len(group) for group in groups[:settled])
    for group in groups[settled:]:
        rows, features = _group(network, [prompts[i] for i in group], eos_ids, new)
        with (folder / "features.f16").open("ab") as file:
            file.write(features.numpy().tobytes())
        with (folder / "texts.jsonl").open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        if on_text:
            there += len(group)
            on_text(there)
    return OwnTexts.opened(folder, channels)


def _groups(cells: Sequence[int], order: Sequence[int]) -> list[list[int]]:
    """Texts that are written at once, of like length (`cells` rise).

    >>> _groups([9_000, 9_000, 20_000], [2, 0, 1])
    [[2], [0], [1]]
    """
    groups: list[list[int]] = []
    for long, text in zip(cells, order, strict=True):
        if not groups or len(groups[-1]) == TOGETHER or (len(groups[-1]) + 1) * long > CELLS:
            groups.append([])
        groups[-1].append(text)
    return groups


def _settled(folder: Path, channels: int, sizes: Sequence[int]) -> int:
    """How many groups are whole; what was written of another one is cut off."""
    texts, features = folder / "texts.jsonl", folder / "features.f16"
    lines = texts.read_text().splitlines(keepends=True) if texts.exists() else []
    lines = [line for line in lines if line.endswith("\n")]
    ends = np.cumsum([0, *sizes])
    whole = int((ends <= len(lines)).sum()) - 1
    kept = lines[: int(ends[whole])]
    cells = sum(len(json.loads(line)) for line in kept)
    texts.write_text("".join(kept))
    with features.open("ab") as file:
        file.truncate(2 * channels * cells)
    return whole


@torch.inference_mode()
def _group(
    network: Network, prompts: Sequence[Sequence[int]], eos_ids: Sequence[int], new: int
) -> tuple[list[list[int]], Tensor]:
    """Texts after some prompts, and the features of all their cells."""
    B, T = len(prompts), max(map(len, prompts))
    new = min(new, network.max_length - T)
    tokens_BT = torch.zeros(B, T, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens_BT[row, : len(prompt)] = torch.tensor(prompt)
    count_B = torch.tensor([len(prompt) for prompt in prompts])
    cache = network.new_cache(B, T + new + 1)
    told_BX = network.extend(tokens_BT, cache, score_BS=count_B[:, None] - 1)[:, 0]
    cache.keep(torch.arange(T).expand(B, T), count_B)
    C = network.shape.channels
    rows, cells = [[] for _ in prompts], [[] for _ in prompts]
    live_B, eos = torch.ones(B, dtype=torch.bool), torch.tensor(list(eos_ids))
    for step in range(new):
        token_B, features_BC = told_BX[:, :-C].argmax(-1), told_BX[:, -C:].half()
        for row in live_B.nonzero()[:, 0].tolist():
            rows[row].append(int(token_B[row]))
            cells[row].append(features_BC[row])
        live_B &= ~torch.isin(token_B, eos)
        if step == new - 1 or int(live_B.sum()) * LEFT < B:
            break
        told_BX = network.extend(token_B[:, None], cache)[:, 0]
        cache.keep(torch.zeros(B, 1, dtype=torch.long), live_B.long())
    return rows, torch.stack([cell for row in cells for cell in row])
