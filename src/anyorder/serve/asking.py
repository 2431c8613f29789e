"""From the body of a request to the jobs that answer it. The same for both APIs.

    asked = Reader(lm, settings).completion(body)
    asked.jobs                            # in the order of the choices

Runs in a thread of its own: long prompts take their time. Knows nothing of HTTP.
"""

import secrets
from dataclasses import dataclass, replace
from typing import Final

from anyorder.decode.catalogue import label
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.run import Decoder
from anyorder.decode.sampling import Rule, Sampling
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.serve.errors import RefusalError
from anyorder.serve.jobs import Job
from anyorder.serve.locks import locked
from anyorder.serve.rules import NoEnd, Repetition
from anyorder.serve.schemas import ChatRequest, CompletionRequest, Shared
from anyorder.serve.settings import Settings
from anyorder.serve.ways import way

DEFAULT_TOKENS: Final = 16  # of a completion that does not say, as in OpenAI's API


@dataclass(frozen=True)
class Asked:
    """What a request comes to. `prompts` are the tokens of each prompt: text i is after prompt
    i // n. `echo` has the prompts that are to be repeated, `logprobs` whether they are told.
    """

    body: Shared
    jobs: tuple[Job, ...]
    prompts: tuple[int, ...]  # tokens of each
    logprobs: bool
    echo: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """All that may stand at once: prompts and texts, and for a beam those beside them."""
        n = len(self.jobs) // len(self.prompts)
        tokens = sum(job.max_new_tokens for job in self.jobs) + n * sum(self.prompts)
        decoder = self.jobs[0].decoder
        return tokens * decoder.width if isinstance(decoder, Beam) else tokens

    @property
    def decoder(self) -> str:
        """Its name, without options."""
        return label(self.jobs[0].decoder).partition(":")[0]


@dataclass(frozen=True)
class Reader:
    """Reads requests for one model."""

    lm: Writer
    settings: Settings
    name: str
    decoder: Decoder

    def completion(self, body: CompletionRequest) -> Asked:
        """Raises RefusalError for what can't be served."""
        if body.best_of is not None and body.best_of != (body.n or 1):
            raise RefusalError(
                "best_of is not served: ask for n texts and choose one by its logprobs",
                param="best_of",
            )
        if body.echo and body.logprobs is not None:
            raise RefusalError(
                "echo with logprobs is not served: ask for one of them", param="echo"
            )
        rows = _rows(body.prompt)
        most = body.max_tokens or (self.settings.most_tokens if body.infill else DEFAULT_TOKENS)
        asked = self._asked(body, rows, most, body.logprobs)
        if body.echo:
            told = [row if isinstance(row, str) else self.lm.units.decode(row) for row in rows]
            asked = replace(asked, echo=tuple(told))
        return asked

    def chat(self, body: ChatRequest) -> Asked:
        """Raises RefusalError for what can't be served."""
        if body.top_logprobs and not body.logprobs:
            raise RefusalError("top_logprobs needs logprobs: true", param="top_logprobs")
        if not isinstance(self.lm, LanguageModel):
            raise RefusalError(f"{self.name} is no language model: use /v1/completions")
        turns = [
            {"role": "system" if m.role == "developer" else m.role, "content": m.said}
            for m in body.messages
        ]
        try:
            row = self.lm.units.encode_messages(turns)
        except ValueError as error:
            raise RefusalError(str(error), param="messages") from error
        most = body.max_completion_tokens or body.max_tokens or self._room(len(row))
        told = (body.top_logprobs or 0) if body.logprobs else None
        return self._asked(body, [row], most, told)

    def _room(self, prompt: int) -> int:
        """What fits after a prompt, if nobody says how much is wanted."""
        assert isinstance(self.lm, LanguageModel)
        return max(1, min(self.settings.most_tokens, self.lm.model.max_length - prompt))

    def _asked(
        self, body: Shared, rows: "list[str] | list[list[int]]", most: int, told: int | None
    ) -> Asked:
        """All jobs: `body.n` after each prompt, with the seeds that follow the first."""
        self._check(body, len(rows) * (body.n or 1), most)
        decoder, sampling = self._decoder(body), _sampling(body)
        seed = secrets.randbelow(2**31) if body.seed is None else body.seed
        jobs, prompts = list[Job](), list[int]()
        for row in rows:
            tokens = self._tokens(row)
            prompts.append(self._counted(tokens))
            job = Job(
                prompt=tokens,
                decoder=decoder,
                seed=0,
                max_new_tokens=most,
                sampling=sampling,
                stop=body.strings,
                alternatives=told or 0,
                chat=False,
                lattice=bool(body.trace),
                endless=bool(body.ignore_eos),
            )
            job = self._after(body, job, prompts[-1])
            jobs += [replace(job, seed=seed + len(jobs) + k) for k in range(body.n or 1)]
        asked = Asked(body, tuple(jobs), tuple(prompts), told is not None)
        if asked.tokens > (most := self.settings.most_tokens_in_flight):
            raise RefusalError(f"this may come to {asked.tokens} tokens; {most} is the most")
        return asked

    def _after(self, body: Shared, job: Job, prompt: int) -> Job:
        """The job with its locked words and its rules, which need to know the prompt."""
        place = locked(self.lm, body, job.max_new_tokens)
        rules: list[Rule] = []
        frequency, presence = body.frequency_penalty or 0.0, body.presence_penalty or 0.0
        if (frequency or presence) and not isinstance(self.lm, LanguageModel):
            raise RefusalError(f"{self.name} is no language model: it has no penalties")
        if frequency or presence:
            rules.append(Repetition(frequency, presence, prompt))
        if place.words and not job.endless:
            rules.append(NoEnd(self.lm.eos_ids, prompt + max(place.words) + 1))
        return replace(
            job, locked=place.words, max_new_tokens=place.most_tokens, rules=tuple(rules)
        )

    def _check(self, body: Shared, texts: int, most: int) -> None:
        if body.model is not None and body.model != self.name:
            raise RefusalError(
                f"there is no model {body.model[:100]!r} here; there is: {self.name}",
                status=404,
                param="model",
                code="model_not_found",
            )
        if texts > self.settings.most_texts:
            raise RefusalError(
                f"{texts} texts are asked for; {self.settings.most_texts} is the most"
            )
        if most > self.settings.most_tokens:
            raise RefusalError(
                f"{most} tokens are asked for; {self.settings.most_tokens} is the most",
                param="max_tokens",
            )
        if body.trace and texts > 1:
            raise RefusalError("a trace is told of one text at a time: set n to 1", param="trace")
        if body.ignore_eos and not isinstance(self.lm, LanguageModel):
            raise RefusalError(
                f"{self.name} is no language model: its texts end where they end",
                param="ignore_eos",
            )
        if body.stream_options and not body.stream:
            raise RefusalError("stream_options needs stream: true", param="stream_options")

    def _decoder(self, body: Shared) -> Decoder:
        try:
            return self.decoder if body.decoder is None else way(body.decoder)
        except ValueError as error:
            raise RefusalError(str(error), param="decoder") from error

    def _tokens(self, row: str | list[int]) -> str | tuple[int, ...]:
        """The prompt as tokens; a translator reads a text itself."""
        if isinstance(row, list) or not isinstance(self.lm, LanguageModel):
            return row if isinstance(row, str) else tuple(row)
        return tuple(self.lm.units.encode(row)) if row else ()

    def _counted(self, prompt: str | tuple[int, ...]) -> int:
        """Tokens of a prompt. Raises RefusalError if they are too many, or none."""
        if isinstance(prompt, str):
            count = len(getattr(self.lm, "source_units", self.lm.units).encode(prompt))
        else:
            count = len(prompt)
        if not prompt:
            raise RefusalError("the prompt is empty; write at least one word", param="prompt")
        if count > self.settings.most_prompt_tokens:
            raise RefusalError(
                f"the prompt has {count} tokens; {self.settings.most_prompt_tokens} is the most",
                param="prompt",
                code="context_length_exceeded",
            )
        return count


def _rows(prompt: "str | list[str] | list[int] | list[list[int]]") -> "list[str] | list[list[int]]":
    """One prompt or several, as several."""
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise RefusalError("there is no prompt; give at least one", param="prompt")
    if isinstance(prompt[0], int):
        return [[token for token in prompt if isinstance(token, int)]]
    return prompt  # type: ignore[return-value]  # of one type, says the schema


def _sampling(body: Shared) -> Sampling:
    bias = dict[int, float]()
    for token, value in (body.logit_bias or {}).items():
        if not token.isdecimal() or not token.isascii() or len(token) > 9:
            raise RefusalError(
                f"logit_bias names tokens by their numbers, not {token[:50]!r}", param="logit_bias"
            )
        bias[int(token)] = value
    return Sampling(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_k=body.top_k or 0,
        top_p=1.0 if body.top_p is None else body.top_p,
        min_p=body.min_p or 0.0,
        repetition_penalty=body.repetition_penalty or 1.0,
        logit_bias=bias,
    )
