"""How the server is set up: flags, environment, a TOML file, in that order of strength.

    settings = Settings.of(flags={"port": 9000}, environment=os.environ, file=Path("serve.toml"))

`ANYORDER_SERVE_PORT=9000` is `port = 9000` in the file and `--port 9000` as a flag. Knows nothing
of models or HTTP.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

PREFIX: Final = "ANYORDER_SERVE_"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def _said(default: Any, help: str, least: int | float | None = None) -> Any:
    """A setting with the sentence that explains it, and the least that it may be."""
    return field(default=default, metadata={"help": help, "least": least})


DRAFT: Final = 128  # cells of a draft behind a text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each field is a flag, a variable of the environment and a key of the file."""

    model: str = _said("smollm2", "The model that writes, as in `anyorder generate`.")
    precision: str = _said(
        "auto",
        "What the weights are multiplied in; auto is float32, own a GGUF file's quantisation.",
    )
    exactness: str = _said(
        "usual", "bitwise: refuse a model whose logits company or drafting might change by a bit."
    )
    device: str = _said("cpu", "Where the model runs: cpu, or cuda (a graphics processor).")
    threads: int | None = _said(None, "Threads to compute with; left out: torch's choice.", 1)
    name: str | None = _said(None, "What clients call the model; left out: its own name.")
    decoder: str | None = _said(None, "The decoder where a request names none.")
    host: str = _said("127.0.0.1", "The address to listen at; off loopback only with API keys.")
    port: int = _said(8000, "The port to listen at; 0: a free one.", 0)
    seats: int = _said(8, "Texts that are written at once.", 1)
    waiting: int = _said(64, "Texts that may wait; one more is refused (429).", 0)
    most_tokens: int = _said(1024, "Tokens that one text may be asked to have.", 1)
    most_prompt_tokens: int = _said(8192, "Tokens that one prompt may have.", 1)
    most_texts: int = _said(16, "Texts that one request may ask for (prompts times n).", 1)
    most_tokens_in_flight: int = _said(
        65536, "Tokens, prompts included, of all texts that wait or are written.", 1
    )
    most_body_bytes: int = _said(1_048_576, "Bytes that the body of a request may have.", 1)
    most_requests: int = _said(512, "Requests at once; one more is refused (429).", 1)
    context: int | None = _said(
        None, "Tokens of the longest text that is computed beside others; left out: all are.", 64
    )
    timeout: float = _said(300.0, "Seconds that a request may take, its waiting included.", 0.001)
    slow_client: float = _said(
        15.0,
        "Seconds in which a client must send its request, and take each piece of an answer.",
        0.001,
    )
    grace: float = _said(30.0, "Seconds in which what runs may end when the server is stopped.", 0)
    api_keys_file: str | None = _said(
        None, "A file of hashed API keys, one a line (see --hash-key)."
    )
    allowed_hosts: tuple[str, ...] = _said(
        (), "Names that the server may be called by, besides its own address."
    )
    cors_origins: tuple[str, ...] = _said((), "Web pages of these origins may use the server.")
    log_prompts: bool = _said(False, "Write prompts and texts into the log.")

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least = getattr(self, one.name), one.metadata["least"]
            if least is not None and value is not None and not least <= value < float("inf"):
                raise ValueError(f"{one.name} is {value}; it must be {least} or more")
        if self.port > 65535:
            raise ValueError(f"port is {self.port}; it must be 65535 or less")
        if not self.is_local and self.api_keys_file is None:
            raise ValueError(
                f"{self.host} can be reached from elsewhere: name an --api-keys-file, so that "
                "only those who have a key are served"
            )

    @property
    def longest(self) -> int:
        """Cells of the longest text that is computed beside others, a draft behind it included."""
        return self.context or self.most_prompt_tokens + self.most_tokens + DRAFT

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @staticmethod
    def of(
        *, flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
    ) -> "Settings":
        """The settings: a flag is stronger than the environment, which is stronger than the file.

        A flag that is None was not given. Raises ValueError that names what is wrong, and where.
        """
        known = {one.name for one in fields(Settings)}
        found: dict[str, Any] = {}
        for name, value in _of_file(file).items():
            if name not in known:
                raise ValueError(f"{file}: there is no setting {name!r}; there is: {_list(known)}")
            found[name] = _typed(name, value, f"{file}: {name}")
        for variable, text in environment.items():
            if not variable.startswith(PREFIX):
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in known:
                names = _list(PREFIX + one.upper() for one in known)
                raise ValueError(f"there is no setting {variable}; there is: {names}")
            found[name] = _of_text(name, text, variable)
        found |= {name: value for name, value in flags.items() if value is not None}
        return replace(Settings(), **found) if found else Settings()


def _list(names: Any) -> str:
    return ", ".join(sorted(names))


def _of_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file} can't be read: {(error.strerror or '').lower()}") from error
    except ValueError as error:
        raise ValueError(f"{file} is no TOML: {error}") from error


def _kinds(name: str) -> tuple[type, ...]:
    """The types that a setting may have; a tuple holds texts."""
    hint = get_type_hints(Settings)[name]
    kinds = get_args(hint) if type(None) in get_args(hint) else (hint,)
    return tuple(tuple if kind == tuple[str, ...] else kind for kind in kinds)


def _typed(name: str, value: Any, where: str) -> Any:
    """A value of a TOML file as the setting has it."""
    kinds = _kinds(name)
    if tuple in kinds and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) in kinds:
        return value
    raise ValueError(f"{where} is {_wanted(kinds)}, not {value!r}")


def _of_text(name: str, text: str, where: str) -> Any:
    """A value of the environment as the setting has it."""
    kinds = _kinds(name)
    if tuple in kinds:
        return tuple(filter(None, (part.strip() for part in text.split(","))))
    if bool in kinds:
        if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
            raise ValueError(f"{where} is true or false, not {text!r}")
        return text.lower() in ("1", "true", "yes")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                raise ValueError(f"{where} is {_wanted(kinds)}, not {text!r}") from None
    return text


def _wanted(kinds: tuple[type, ...]) -> str:
    words = {
        tuple: "a list of texts",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
    }
    return next(words[kind] for kind in words if kind in kinds)
