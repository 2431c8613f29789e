"""What the theory of speculative decoding predicts, and what comes out.

    IidTables(widths=(2, 4, 8))         # where acceptance is independent, equation 1 must be exact
    SeveralDrafts(drafts=(1, 2, 4))     # the same, with more drafts than one
    Forecast(kinds=("story", "code"))   # a real model: the theorem against the clock

alpha: the share of guesses that are accepted. c: seconds of a call of the draft model over those
of the target. gamma (width): guesses in a draft. Source: Leviathan et al. 2023
(arXiv:2211.17192), sections 3.1 to 3.5. Shapes: V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median

import torch

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.catalogue import label
from anyorder.decode.draft_verify.by_cost.draft_length import best_width, speed_up, tokens_per_call
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.selection import division, kept_mass
from anyorder.decode.generate import generate
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.measure.compare import Run, compare
from anyorder.models.language_model import LanguageModel
from anyorder.models.load import Precision
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.prompted import BASE, group_name, rows_of
from anyorder.systems.system import Numbers, Part
from anyorder.trace import Step, Trace, fold


@dataclass(frozen=True, kw_only=True)
class IidTables:
    """Tokens per call at temperature 1 where the target is p and the draft q after any text.

    p and q are random, one pair a seed; alpha = sum over tokens of min(p, q) is known exactly.
    """

    widths: tuple[int, ...]
    vocab_size: int = 16
    rows: int = 16
    length: int = 600

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(f"tables {s}", s, f"tables and coins of seed {s}", partial(self.measure, bench, s))
            for s in range(bench.seeds)
        ]

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """A row for each width, and one with the largest error of all."""
        p, q = (iid_table(10 * seed + i, self.vocab_size) for i in range(2))
        alpha = float(p.logits_HV[0].softmax(-1).minimum(q.logits_HV[0].softmax(-1)).sum())
        table: dict[str, dict[str, float]] = {}
        for width in self.widths:
            rows, length = bench.reduced(self.rows, 4), bench.reduced(self.length, 24)
            decoder = Speculative(q, width=width)
            found = iid_tokens_per_call(decoder, p, rows=rows, length=length, seed=seed)
            expected = tokens_per_call(alpha, width)
            row = {"alpha": alpha, "tokens_per_call": found, "equation_1": expected}
            table[f"i.i.d. tables, width {width}"] = {**row, "error": abs(found / expected - 1)}
        return {**table, "i.i.d. tables": {"error": max(row["error"] for row in table.values())}}


def iid_table(seed: int, vocab_size: int, spread: float = 0.5) -> TableLM:
    """The same random distribution after every token."""
    logits_V = spread * torch.randn(
        vocab_size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return TableLM.of_transitions(logits_V.softmax(-1).expand(vocab_size, -1))


@dataclass(frozen=True, kw_only=True)
class SeveralDrafts:
    """The same tables, and more drafts than one: a row for each number of them."""

    drafts: tuple[int, ...]
    width: int = 4
    vocab_size: int = 16
    rows: int = 16
    length: int = 300

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(f"drafts {s}", s, f"tables and coins of seed {s}", partial(self.measure, bench, s))
            for s in range(bench.seeds)
        ]

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """Tokens per call, and the share of first guesses of a draft that is kept in theory."""
        p, q = (iid_table(10 * seed + i, self.vocab_size, spread=1.0) for i in range(2))
        p_1V, q_1V = (lm.logits_HV[:1].softmax(-1) for lm in (p, q))
        found: dict[str, dict[str, float]] = {}
        for many in self.drafts:
            rows, length = bench.reduced(self.rows, 4), bench.reduced(self.length, 24)
            decoder = Speculative(q, width=self.width, drafts=many)
            rho_1 = division(p_1V, q_1V, torch.tensor([many]))
            kept = 1 - (1 - float(kept_mass(p_1V, q_1V, rho_1))) ** many
            found[f"i.i.d. tables, {many} at once"] = {
                "tokens_per_call": iid_tokens_per_call(
                    decoder, p, rows=rows, length=length, seed=seed
                ),
                "first_guess_kept": kept,
            }
        return found


def iid_tokens_per_call(
    decoder: Speculative, p: TableLM, *, rows: int, length: int, seed: int
) -> float:
    """Measured over the calls that begin where the end of the text can't cut them.

    Where a call begins does not depend on what it will write, so that by Wald's identity no
    length is preferred.
    """
    canvas = Canvas.of_prompts([[0]] * rows, new_cells=[length] * rows)
    coins = Coins.of_seeds([1000 * seed + row for row in range(rows)], cells=length + 1)
    trace = run(decoder, p, canvas, Sampler(Sampling(temperature=1.0), coins))
    begin, width = dict.fromkeys(range(rows), 0), decoder.most_drafted // decoder.drafts
    written: list[int] = []
    for step in trace.steps:
        for row, count in step.written.items():
            if begin[row] <= length - width - 1:
                written.append(count)
            begin[row] += count
    return fmean(written)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A draft in another precision of the same model; the width is what the theorem recommends.

    alpha and c are measured on the texts that the target writes left to right; then drafted and
    left to right run side by side. The theorem knows nothing of reading prompts, so its
    prediction is set against the time after both models have read them.
    """

    kinds: tuple[str, ...]
    draft_precision: Precision = "int8"
    max_new_tokens: int = 64
    repeats: int = 2

    def parts(self, bench: Bench) -> Sequence[Part]:
        named = [(s, group_name(s, bench.seeds)) for s in range(bench.seeds)]
        parted = zip(named, bench.prompts(self.kinds), strict=True)
        return [
            Part(f"forecast {s}", s, name, partial(self.measure, bench, prompts))
            for (s, name), prompts in parted
        ]

    def measure(self, bench: Bench, prompts: Mapping[str, str]) -> Numbers:
        """Left to right, and speculative decoding with this width, or its own choice."""
        target = bench.language_model()
        draft = bench.language_model(self.draft_precision)
        most = bench.reduced(self.max_new_tokens, 24)
        alpha, c = alpha_and_c(target, draft, list(prompts.values()), most)
        width = best_width(alpha, c)
        decoder, free = Speculative(draft, width=width), Speculative(draft, width=None)
        repeats = bench.reduced(self.repeats, 1)
        comparison = compare(target, prompts, [decoder, free], max_new_tokens=most, repeats=repeats)
        name, freely = "speculative-decoding", "width as it goes"
        rows = rows_of(comparison.runs, {label(decoder): name, label(free): freely})
        base, drafted = (pace(comparison.runs, kind) for kind in (BASE, label(decoder)))
        predicted = speed_up(alpha, width, c)
        theory = {
            "alpha": alpha,
            "c": c,
            "width": float(width),
            "predicted_speedup": predicted,
        }
        theory["predicted_tokens_per_call"] = tokens_per_call(alpha, width)
        theory["speedup_after_prompt"] = drafted / base
        theory["prediction_error"] = abs(predicted / (drafted / base) - 1)
        return {BASE: rows[BASE], name: {**rows[name], **theory}, freely: rows[freely]}


def alpha_and_c(
    target: LanguageModel, draft: LanguageModel, prompts: Sequence[str], max_new_tokens: int
) -> tuple[float, float]:
    """How often the draft's best token is the target's own, along the target's texts; and the
    ratio of the median seconds of their calls for one cell, taken in turns."""
    agreed: list[bool] = []
    seconds: dict[str, list[float]] = {"target": [], "draft": []}
    for prompt in prompts:
        out = {}
        for who, lm in (("target", target), ("draft", draft)):
            out[who] = generate(lm, prompt, decoder=LeftToRight(), max_new_tokens=max_new_tokens)
            calls = [call for step in out[who].trace.steps[1:] for call in step.calls]
            seconds[who] += [call.seconds for call in calls]
        agreed += agreement(draft, out["target"].trace)
    return fmean(agreed), median(seconds["draft"]) / median(seconds["target"])


def agreement(lm: LanguageModel, trace: Trace) -> list[bool]:
    """For each written token: whether `lm`, told all before it, would have written the same."""
    canvas = fold(trace)
    tokens = canvas.row(0)
    begin = int((canvas.status_BN[0] == GIVEN).sum())
    with torch.inference_mode():
        cache = lm.model.new_cache(1, len(tokens))
        score_1S = torch.arange(begin - 1, len(tokens) - 1)[None]
        logits_1SV = lm.model.extend(torch.tensor([tokens]), cache, score_BS=score_1S)
    return (logits_1SV[0].argmax(-1).cpu() == torch.tensor(tokens[begin:])).tolist()


def pace(runs: Sequence[Run], decoder: str) -> float:
    """Tokens a second, without the first two steps (each model reads the prompt in one of them)
    and without the last, which the end of the text cuts; of a text too short for that, all."""
    steps: list[Step] = []
    for one in runs:
        if one.decoder == decoder:
            made = one.output.trace.steps
            steps += made[2:-1] or made
    return sum(len(step.changes) for step in steps) / sum(step.seconds for step in steps)
