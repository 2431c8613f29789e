"""Our decoders on the six kinds of tasks of Spec-Bench, by its own contract and figures.

    python -m benchmarks.spec_bench                       # about 5 minutes on two cores
    python -m benchmarks.spec_bench --questions spec_bench/question.jsonl --model ./vicuna

The questions are ours (`texts/spec_bench.jsonl`, in the layout of its `question.jsonl`); its own
are read as well. A turn is put into the model's chat template with the turns before it. What
`speed.py` of Spec-Bench counts is counted here: tokens per second as the mean over questions,
accepted tokens as the mean over steps. Decoders take turns at each question; `--answers FOLDER`
writes what each said in the layout of its `model_answer` files.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import torch

from anyorder.cli import screen
from anyorder.interop.spec_bench import Forwarded, forward
from anyorder.measure.turns import in_turn
from anyorder.models.hugging.network import opened
from benchmarks.hire import ROOT
from benchmarks.report import report

QUESTIONS: Final = ROOT / "benchmarks" / "texts" / "spec_bench.jsonl"
PLAIN: Final = "left-to-right"
DECODERS: Final = (PLAIN, "prompt-copy", "token-recycling", "trigram-search", "auto")
WITH_HEAD: Final = ("recursive-head", "recursive-head:width=6,sure=0.3", "auto")
TALK: Final = "mt_bench"  # conversations, whatever they are about
KINDS: Final = ("translation", "summarization", "qa", "math_reasoning", "rag")


@dataclass(frozen=True)
class Question:
    """A line of `question.jsonl`."""

    question_id: int
    category: str
    turns: list[str]

    @property
    def kind(self) -> str:
        return self.category if self.category in KINDS else TALK


@dataclass(frozen=True)
class Choice:
    """What was said to all turns of a question, in the layout of its `model_answer`."""

    index: int
    turns: list[str]
    decoding_steps: list[int]
    new_tokens: list[int]
    wall_time: list[float]
    accept_lengths: list[int]

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return sum(self.new_tokens) / sum(self.wall_time)


@dataclass(frozen=True)
class Stand:
    """A model, its tokenizer, and how much it writes."""

    model: Any
    tokenizer: Any
    most: int


def questions(path: Path) -> list[Question]:
    """Raises ValueError that names the line which is no question."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(line)
            found.append(Question(told["question_id"], told["category"], list(told["turns"])))
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{path}, line {number}, is no question of Spec-Bench") from error
    return found


def answered(question: Question, stand: Stand, func: Callable[..., Forwarded]) -> Choice:
    """All turns, each after the answers to those before it."""
    talk, choice = list[dict[str, str]](), Choice(0, [], [], [], [], [])
    for turn in question.turns:
        talk.append({"role": "user", "content": turn})
        text = stand.tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        inputs = stand.tokenizer([text], return_tensors="pt", add_special_tokens=False)
        begun = time.perf_counter()
        ids, new, steps, lengths = func(inputs, stand.model, stand.tokenizer, stand.most)
        choice.wall_time.append(time.perf_counter() - begun)
        said = stand.tokenizer.decode(ids[0, -new:], skip_special_tokens=True)
        choice.turns.append(said)
        choice.decoding_steps.append(steps)
        choice.new_tokens.append(new)
        choice.accept_lengths.extend(lengths)
        talk.append({"role": "assistant", "content": said})
    return choice


def rows_of(kinds: Sequence[str], said: dict[str, list[Choice]]) -> list[dict[str, Any]]:
    """A row for each decoder and kind, and for all kinds together."""
    rows = []
    for name, choices in said.items():
        for kind in (*dict.fromkeys(kinds), "overall"):
            at = [n for n, each in enumerate(kinds) if kind in (each, "overall")]
            mine, plain = [choices[n] for n in at], [said[PLAIN][n] for n in at]
            rate = fmean(choice.rate for choice in mine)
            lengths = [n for choice in mine for n in choice.accept_lengths]
            same = [one.turns == other.turns for one, other in zip(mine, plain, strict=True)]
            rows.append(
                {
                    "decoder": name,
                    "task": kind,
                    "questions": len(at),
                    "tokens_per_s": rate,
                    "speedup": rate / fmean(choice.rate for choice in plain),
                    "accepted": fmean(lengths),
                    "same_text": fmean(same),
                }
            )
    return rows


def measured(
    asked: Sequence[Question], stand: Stand, precision: str, head: Path | None
) -> dict[str, list[Choice]]:
    """Every decoder's choices; they take turns, every other time the other way round."""
    plain = (PLAIN, "auto") if head else DECODERS
    funcs = {name: forward(name, precision=precision) for name in plain}
    for name in WITH_HEAD if head else ():
        funcs[f"{name}, with a head"] = forward(name, precision=precision, head=head)
    for func in funcs.values():
        answered(asked[0], Stand(stand.model, stand.tokenizer, 16), func)  # not counted
    said: dict[str, list[Choice]] = {name: [] for name in funcs}
    with screen.progress() as bar:
        todo = bar.add_task("", total=len(asked))
        for number, question in enumerate(asked):
            bar.update(todo, advance=1, description=f"{question.kind} {question.question_id}")
            for name in in_turn(list(funcs), number):
                said[name].append(answered(question, stand, funcs[name]))
    return said


def write_answers(
    folder: Path, asked: Sequence[Question], said: dict[str, list[Choice]], model: str
) -> None:
    """One file a decoder, as Spec-Bench's own runs leave them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, choices in said.items():
        lines = [
            {
                "question_id": question.question_id,
                "category": question.category,
                "answer_id": f"{name}-{question.question_id}",
                "model_id": f"{model}-{name}",
                "choices": [asdict(choice)],
                "tstamp": time.time(),
            }
            for question, choice in zip(asked, choices, strict=True)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{model}-{name}.jsonl").write_text(text, encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    try:
        asked = questions(options.questions)[: options.first]
        if not asked:
            raise ValueError(f"{options.questions} holds no question")
        torch.set_num_threads(options.threads)
        model, units = opened(options.model, "float32")
        stand = Stand(model, units.tokenizer, options.max_new_tokens)
        said = measured(asked, stand, options.precision, options.head)
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    name = Path(options.model).name
    rows = rows_of([question.kind for question in asked], said)
    if options.answers:
        write_answers(options.answers, asked, said, name)
    report(
        rows,
        options.out or ROOT / "results" / f"spec-bench-{name}.json",
        model=name,
        precision=options.precision,
        threads=options.threads,
        max_new_tokens=options.max_new_tokens,
        **(_trained(options.head) if options.head else {}),
    )
    return 0


def _trained(head: Path) -> dict[str, Any]:
    """How the head was trained, as its folder notes it."""
    note = json.loads((head / "head.json").read_text(encoding="utf-8"))
    return {"head": {name: note[name] for name in ("steps", "held_out", "tokens") if name in note}}


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.spec_bench", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--questions", type=Path, default=QUESTIONS)
    add("--head", type=Path, help="a folder of `anyorder train-head`: what it makes of the model")
    add("--first", type=int, help="only so many questions")
    add("--precision", default="int8", choices=("float32", "bfloat16", "int8"))
    add("--max-new-tokens", type=int, default=128)
    add("--threads", type=int, default=2)
    add("--answers", type=Path, help="a folder for what was said")
    add("--out", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
