"""llama-cpp-python's own generation, with its own drafting, as a subject; plain as its reference.

    drafting, plain = pair(Path("model.gguf"), {"num_pred_tokens": 10})

`Llama.create_completion` writes, so stop strings end a text as that has it. It tells no ids: they
are overheard from `Llama.generate`, which it asks. One `Llama` serves both, and each text begins
with nothing kept of the one before. All logits are kept, for else llama-cpp-python 0.3.36 fails
where it drafts in a text of more than `n_batch` tokens. Shapes: T tokens of a text, V vocabulary.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float64
from torch import Tensor

from anyorder.measure.verify.places import ReadsAll, shares_of
from anyorder.measure.verify.subject import Ask, OneAtATimeError, Said, Token
from anyorder.models.llamacpp.library import Weights, complaint
from anyorder.models.llamacpp.vocabulary import units_of
from anyorder.units.text import TextUnits

# draws without the filters that it has by default
PLAIN: Final = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0}
CONTEXT: Final = 2048  # tokens of a prompt and its text
LOOKUP: Final = ("max_ngram_size", "num_pred_tokens")


@dataclass(frozen=True, eq=False)
class Completions(ReadsAll):
    """Satisfies `Reference`. `llama`: a `llama_cpp.Llama` that keeps all logits; `drafter`: its
    `draft_model`, if it is to draft.
    """

    llama: Any
    units: TextUnits
    drafter: Any = None
    chat: bool = True

    @property
    def name(self) -> str:
        return f"llama.cpp, {type(self.drafter).__name__}" if self.drafter else "llama.cpp"

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`. Raises ValueError for an empty prompt, and for a text that does not
        fit into the context.
        """
        if len(asks) > 1:
            raise OneAtATimeError("llama-cpp-python writes one text at a time")
        [ask] = asks
        begin = self._begin(ask.prompt)
        room = self.llama.n_ctx() - len(begin)
        if ask.max_new_tokens > room:  # it would cut the text short, without a word
            raise ValueError(
                f"a prompt of {len(begin)} tokens leaves room for {max(room, 0)} here, not for "
                f"{ask.max_new_tokens}: shorten it, or ask for fewer"
            )
        self.llama.reset()
        self.llama.draft_model = self.drafter
        tokens = self._overheard()
        answer = self.llama.create_completion(
            begin,
            max_tokens=ask.max_new_tokens,
            temperature=ask.temperature,
            stop=list(ask.stop),
            seed=ask.seed,
            **PLAIN,
        )
        return [Said(answer["choices"][0]["text"], tuple(tokens))]

    def _begin(self, prompt: str) -> list[int]:
        tokens = self.units.encode(prompt, chat=self.chat)
        if not tokens:
            raise ValueError("a prompt is empty; write at least one word")
        return tokens

    def _overheard(self) -> list[int]:
        """The tokens of the next text, as they come."""
        tokens = list[int]()
        generate = type(self.llama).generate

        def heard(*given: Any, **named: Any) -> Iterator[int]:
            for token in generate(self.llama, *given, **named):
                tokens.append(token)
                yield token

        self.llama.generate = heard
        return tokens

    def text_of(self, tokens: Sequence[Token]) -> str:
        """See `Reference.text_of`."""
        return self.units.decode([int(token) for token in tokens])

    def shares(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> Float64[Tensor, "T V"]:
        """See `ReadsAll.shares`."""
        begin = self._begin(prompt)
        text = [*begin, *(int(token) for token in tokens)]
        self.llama.reset()
        self.llama.eval(text)
        logits_TV = torch.from_numpy(self.llama.scores[len(begin) - 1 : len(text)])
        return shares_of(logits_TV, temperature)


def pair(
    path: Path, asked: Mapping[str, Any], chat: bool | None = None
) -> tuple[Completions, Completions]:
    """What drafts as asked (without being asked: not at all), and what does not.

    `asked`: arguments of `LlamaPromptLookupDecoding`. Raises ValueError, with one sentence, for
    others, without llama-cpp-python, and for what llama.cpp can't load.
    """
    for name, value in asked.items():
        if name not in LOOKUP:
            raise ValueError(f"llama.cpp drafts with {' and '.join(LOOKUP)}, not with {name!r}")
        if type(value) is not int or not 1 <= value < CONTEXT:
            raise ValueError(f"{name} is a number of tokens from 1 to {CONTEXT - 1}, not {value!r}")
    if not path.is_file():
        raise ValueError(f"llama.cpp reads GGUF files, and {path} is none: name a .gguf file")
    units = units_of(Weights(path, vocab_only=True))
    lookup = importlib.import_module("llama_cpp.llama_speculative").LlamaPromptLookupDecoding
    llama, chatty = _opened(path), units.chats(chat, path.name)
    drafter = lookup(**asked) if asked else None
    return Completions(llama, units, drafter, chatty), Completions(llama, units, chat=chatty)


def _opened(path: Path) -> Any:
    threads = torch.get_num_threads()
    try:
        return importlib.import_module("llama_cpp").Llama(
            str(path),
            n_ctx=CONTEXT,
            n_batch=CONTEXT,  # a draft that were longer would end the process
            n_threads=threads,
            n_threads_batch=threads,
            logits_all=True,
            verbose=False,
        )
    except ValueError as error:
        raise ValueError(f"llama.cpp can't load {path}: {complaint() or error}") from error
