"""The one training loop: any model, any objective, on pairs of token rows.

    trained = train(model, CTC(), rows, held_out, Recipe(steps=3000), Path("my-model/training"))

A run that is stopped, or killed, goes on from its last check with the same call; on a CPU it ends
with the weights that it would have had. Everything that it writes is in `folder`: `log.jsonl`, the
state, the snapshots, and after a loss that is no number the batch that it came of.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from anyorder.folders import as_usual
from anyorder.nets.device import CPU
from anyorder.objectives.batch import Batch, Objective
from anyorder.train.batches import Rows, epoch
from anyorder.train.device import generator, on
from anyorder.train.recipe import Recipe
from anyorder.train.state import Progress, learnt, put, restore, save

OnStep = Callable[[int, int, float, float], None]  # step, steps, loss a unit, units a second


@dataclass(frozen=True)
class Trained:
    """How a run ended: steps made, the held-out loss of the model (nats a token), seconds of
    training, and the share of pairs that were left out, because no canvas of the model holds
    their target.
    """

    steps: int
    held_out: float
    seconds: float
    early: bool
    left_out: float


def train(
    model: nn.Module,
    objective: Objective,
    rows: Rows,
    held_out: Rows,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device = CPU,
    on_step: OnStep | None = None,
) -> Trained:
    """Train `model` in place; at the end it has the mean of the last snapshots, or the last one,
    and is on the CPU.

    Raises ValueError if a loss is no number (the batch is kept in `folder`), if no pair fits the
    model, or if `folder` holds a run of another kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device)
    with on(device, recipe.seed):
        run = _Run(model, objective, rows, held_out, recipe, folder, device)
        run.resume()
        while not run.over:
            run.step(on_step)
            if run.progress.step % recipe.check_every == 0 or run.progress.step == recipe.steps:
                run.check()
        made, held_out_loss = run.progress, run.settle()
    model.to(CPU)
    left_out = made.left_out / max(made.seen, 1)
    return Trained(made.step, held_out_loss, made.seconds, made.step < recipe.steps, left_out)


class _Run:
    """The parts of a run, and what it does in a step and at a check."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        rows: Rows,
        held_out: Rows,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.model, self.objective, self.recipe, self.folder = model, objective, recipe, folder
        self.device = device
        self.rows, self.held_out = rows, held_out
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=0.0,
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.rng = generator(device, recipe.seed)
        self.progress = Progress()
        self.batches = self._batches()

    @property
    def over(self) -> bool:
        """All steps are made, or no check was better for too long."""
        waited, patience = self.progress.waited, self.recipe.patience
        return self.progress.step >= self.recipe.steps or (
            patience is not None and waited >= patience
        )

    def resume(self) -> None:
        """Go on where an earlier run was, if there is one."""
        found = restore(self.folder / "state", self.model, self.optimizer, self.rng)
        self.progress = found or self.progress

    def step(self, on_step: OnStep | None) -> None:
        """One step of the optimiser, over `accumulate` batches."""
        begun, recipe, progress = time.perf_counter(), self.recipe, self.progress
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        total, units = 0.0, 0
        batches = [next(self.batches) for _ in range(recipe.accumulate)]
        for batch in batches:
            with self._fast():
                loss = self.objective(
                    self.model, batch, progress=progress.step / recipe.steps, rng=self.rng
                )
            if not bool(loss.total.isfinite()):
                self._give_up(batch)
            loss.total.backward()
            total, units = total + float(loss.total.detach()), units + loss.units
            progress.seen += len(batch.target_B)
            progress.left_out += int(loss.notes.get("too long", 0))
        if units:
            self._update(units, batches[-1])
        progress.step += 1
        seconds = time.perf_counter() - begun
        progress.seconds += seconds
        if on_step:
            on_step(progress.step, recipe.steps, total / max(units, 1), units / seconds)
        self._log(step=progress.step, loss=total / max(units, 1), units=units, seconds=seconds)

    @contextmanager
    def _fast(self) -> Iterator[None]:
        """In the recipe's precision; on a CPU with plain attention, as the fused one is slow
        backwards there (CTC with rows of 24 cells: 0.38 s a step, and 0.27 s with the plain one).
        """
        kind, bfloat16 = self.device.type, self.recipe.precision == "bfloat16"
        plain = sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else nullcontext()
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16), plain:
            yield

    def _update(self, units: int, batch: Batch) -> None:
        """Gradients of the mean over all units, cut to the norm that is allowed."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        for gradient in gradients:
            gradient.div_(units)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if not bool(norm.isfinite()):
            self._give_up(batch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.schedule(self.progress.step, self.recipe.steps)
        self.optimizer.step()

    def check(self) -> None:
        """Measure the held-out loss, keep a snapshot and the state."""
        loss, progress = self.held_out_loss(), self.progress
        progress.waited = 0 if loss < progress.best else progress.waited + 1
        progress.best = min(loss, progress.best)
        self._log(step=progress.step, held_out=loss)
        weights = {name: x.detach().clone() for name, x in learnt(self.model).items()}
        with as_usual(self._snapshot(progress.step)) as path:
            save_file(weights, path)
        every = [*progress.snapshots, progress.step]
        progress.snapshots = every[-self.recipe.average :]
        save(self.folder / "state", self.model, self.optimizer, self.rng, progress)
        for old in every[: -self.recipe.average]:  # last: what a saved state names is there
            self._snapshot(old).unlink(missing_ok=True)

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Nats a token over the held-out pairs, without what is for training alone."""
        self.model.eval()
        total, units, rng = 0.0, 0, generator(self.device, 0)
        for batch in epoch(self.held_out, cells=self.recipe.cells, seed=0, number=0):
            loss = self.objective.plain(self.model, batch, progress=1.0, rng=rng)
            total, units = total + float(loss.total), units + loss.units
        if not units:
            raise ValueError(
                "no held-out pair fits the model: all their targets are longer than its canvas; "
                "train a paradigm that has none, such as deep-shallow"
            )
        return total / units

    def settle(self) -> float:
        """Give the model the mean of its last snapshots, or the last one, if that is better; its
        held-out loss.
        """
        last = load_file(self._snapshot(self.progress.snapshots[-1]))
        put(self.model, last)
        alone = self.held_out_loss()
        self._average()
        together = self.held_out_loss()
        if alone < together:
            put(self.model, last)
        self._log(step=self.progress.step, held_out=min(alone, together))
        return min(alone, together)

    def _average(self) -> None:
        every = [load_file(self._snapshot(step)) for step in self.progress.snapshots]
        mean = {
            name: torch.stack([weights[name].double() for weights in every]).mean(0).to(x.dtype)
            for name, x in every[0].items()
        }
        put(self.model, mean)
        self.model.eval()

    def _batches(self) -> Iterator[Batch]:
        """Batches without end, from where the run is; `progress` names the next one."""
        recipe, progress = self.recipe, self.progress
        while True:
            progress = self.progress
            options = {"cells": recipe.cells, "seed": recipe.seed, "number": progress.epoch}
            for batch in epoch(self.rows, **options, begin=progress.batch):
                progress.batch += 1
                yield batch
            progress.epoch, progress.batch = progress.epoch + 1, 0

    def _snapshot(self, step: int) -> Path:
        return self.folder / f"snapshot-{step}.safetensors"

    def _log(self, **facts: int | float) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(facts) + "\n")

    def _give_up(self, batch: Batch) -> None:
        path = self.folder / "bad-batch.safetensors"
        kept = {name: x.contiguous() for name, x in vars(batch).items() if x is not None}
        with as_usual(path):
            save_file(kept, path)
        raise ValueError(
            f"the loss, or its gradient, is no number at step {self.progress.step + 1}; the batch "
            f"is kept in {path}: try a lower learning rate, a longer warm-up, or float32"
        )
