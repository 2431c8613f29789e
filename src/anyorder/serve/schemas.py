"""The bodies of requests: what OpenAI's API has, as far as it is served here, and our own fields.

    body = CompletionRequest.model_validate({"prompt": "Once", "max_tokens": 8})

What would change the answer and is not served is refused with a sentence, never passed over.
Of a list only the first mistake is looked for: a million of them would keep everybody waiting.
Knows nothing of models.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from anyorder.serve.errors import RefusalError

MOST_STOPS: Final = 16
COLDEST: Final = 0.001
MOST_TOLD: Final = 20  # likeliest tokens that are told for each one
MOST_BIASED: Final = 1000  # tokens
MOST_FIELDS: Final = 100  # of an object

NOT_SERVED: Final = {  # fields that would change the answer, and what to do instead
    "tools": "no tools are called here",
    "tool_choice": "no tools are called here",
    "functions": "no functions are called here",
    "function_call": "no functions are called here",
    "response_format": "answers are plain text; no other format is enforced here",
    "suffix": "write `infill` instead: a list of texts and holes",
    "modalities": "only text is written here",
    "audio": "only text is written here",
    "prediction": "no prediction is read; the decoder aggressive-decoding drafts from the prompt",
    "web_search_options": "nothing is searched here",
    "reasoning_effort": "the model has no levels of effort",
    "verbosity": "the model has no levels of verbosity; set max_tokens",
    "moderation": "nothing is moderated here",
}
CHOICES: Final = {  # what fields may be that may be of several kinds
    "prompt": "a text, several texts, the tokens of a text (0 or more), or of several",
    "stop": f"a text of up to 500 characters, or up to {MOST_STOPS} of them; none is empty",
    "content": 'a text, or a list of parts {"type": "text", "text": "..."}',
}
HARMLESS: Final = {  # values with which a field of these changes nothing
    "tools": [],
    "functions": [],
    "tool_choice": "none",
    "function_call": "none",
    "response_format": {"type": "text"},
    "modalities": ["text"],
}


def _encodable(text: str) -> str:
    """Half of a surrogate pair is no text, whatever JSON says."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("this is no text: a character of it is broken") from None
    return text


def _warm(temperature: float) -> float:
    """Logits that are divided by less would be infinite."""
    if 0 < temperature < COLDEST:
        raise ValueError(f"a temperature is 0 (greedy), or {COLDEST} and more")
    return temperature


def _few(named: dict[Any, Any], most: int, what: str, of: str) -> None:
    """Raises RefusalError for an object of so many names that nobody looks at each."""
    if len(named) > most:
        raise RefusalError(f"{what} has {len(named)} {of}; {most} is the most")


Text = Annotated[str, AfterValidator(_encodable)]
Token = Annotated[int, Field(ge=0, lt=2**31)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Temperature = Annotated[Number, Field(ge=0, le=100), AfterValidator(_warm)]
Texts = Annotated[list[Text], Field(fail_fast=True)]
Tokens = Annotated[list[Token], Field(fail_fast=True)]
Stop = Annotated[Text, Field(min_length=1, max_length=500)]


class Strict(BaseModel):
    """Unknown fields are mistakes, and numbers are not texts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StreamOptions(Strict):
    """`include_usage`: a last event says how many tokens there were."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Segment(Strict):
    """A piece of an answer with holes: a text that stands, or so many tokens to be written."""

    text: Text | None = Field(None, max_length=100_000)
    hole: int | None = Field(None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Segment":
        if (self.text is None) == (self.hole is None):
            raise ValueError('a segment is {"text": "..."} or {"hole": 12}, one of both')
        return self


class Constraint(Strict):
    """A text that must stand `at` so many tokens after the prompt."""

    text: Text = Field(min_length=1, max_length=10_000)
    at: int = Field(ge=0, le=100_000)


class Shared(Strict):
    """What both kinds of requests have. `anyorder` marks what is not OpenAI's."""

    model: Text | None = Field(None, max_length=500)
    max_tokens: int | None = Field(None, ge=1, le=2**31)
    temperature: Temperature | None = Field(None, description="0: greedy; default 1")
    top_p: Number | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=2**31, description="anyorder: 0 is off")
    min_p: Number | None = Field(None, ge=0, lt=1, description="anyorder: 0 is off")
    repetition_penalty: Number | None = Field(
        None, ge=0.01, le=100, description="anyorder: 1 is off"
    )
    frequency_penalty: Number | None = Field(None, ge=-2, le=2)
    presence_penalty: Number | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        None, max_length=MOST_BIASED
    )
    n: int | None = Field(None, ge=1, le=1024)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS, fail_fast=True)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    decoder: Text | None = Field(None, max_length=200, description="anyorder: a name, or a spec")
    infill: (
        Annotated[list[Segment], Field(min_length=1, max_length=1000, fail_fast=True)] | None
    ) = Field(None, description="anyorder: texts and holes, written after the prompt")
    constraints: Annotated[list[Constraint], Field(max_length=1000, fail_fast=True)] | None = Field(
        None, description="anyorder: texts that must stand at places after the prompt"
    )
    trace: bool | None = Field(None, description="anyorder: tell each step of the decoder")
    return_token_ids: bool | None = Field(None, description="as in vLLM: tell tokens as numbers")
    ignore_eos: bool | None = Field(None, description="as in vLLM: no token ends a text")
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    parallel_tool_calls: Any = None

    @model_validator(mode="before")
    @classmethod
    def _served(cls, body: Any) -> Any:
        """Refuse what is known and not served; leave out those that change nothing."""
        if not isinstance(body, dict):
            return body
        _few(body, MOST_FIELDS, "a request", "fields")
        if isinstance(bias := body.get("logit_bias"), dict):
            _few(bias, MOST_BIASED, "logit_bias", "tokens")
        for name in NOT_SERVED.keys() & body.keys():
            if body[name] is not None and body[name] != HARMLESS.get(name, ...):
                raise RefusalError(f"{name} is not served: {NOT_SERVED[name]}", param=name)
        return {name: value for name, value in body.items() if name not in NOT_SERVED}

    @property
    def strings(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class CompletionRequest(Shared):
    """The body of `/v1/completions`."""

    prompt: Text | Texts | Tokens | Annotated[list[Tokens], Field(fail_fast=True)]
    best_of: int | None = Field(None, ge=1, le=1024)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=MOST_TOLD)


class Part(BaseModel):
    """A part of a message. Only text is read."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    type: Literal["text"]
    text: Text


class Message(BaseModel):
    """One turn. What an answer of this API has besides is passed over where it is empty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[Part], Field(min_length=1, fail_fast=True)]
    name: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        _few(message, MOST_FIELDS, "a message", "fields")
        return {name: value for name, value in message.items() if value not in (None, [])}

    @property
    def said(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class ChatRequest(Shared):
    """The body of `/v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000, fail_fast=True)]
    max_completion_tokens: int | None = Field(None, ge=1, le=2**31)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_TOLD)
