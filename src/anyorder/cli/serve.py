"""`anyorder serve`: an HTTP server that speaks OpenAI's API. Its flags are fields of `Settings`."""

import inspect
import os
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_type_hints

import typer

from anyorder.cli.options import ExactnessName, PrecisionName, loaded
from anyorder.serve.settings import PREFIX, Settings

if TYPE_CHECKING:
    from anyorder.models.writer import Writer

HINTS: Final = get_type_hints(Settings)


def serve(config: Path | None = None, hash_key: bool = False, **flags: Any) -> None:
    """Serve a model over HTTP, as OpenAI's API does."""
    if hash_key:
        _make_key()
        return
    settings = Settings.of(flags=_given(flags), environment=os.environ, file=config)
    try:
        from anyorder.serve.process import run
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed: pip install 'anyorder[serve]' brings what a server "
            "needs"
        ) from error

    def load() -> "Writer":
        precision = cast(PrecisionName, settings.precision)  # `load` says which there are
        exactness = cast(ExactnessName, settings.exactness)
        how = {"precision": precision, "threads": settings.threads, "device": settings.device}
        return loaded(settings.model, **how, exactness=exactness)

    run(settings, load)


def _make_key() -> None:
    from anyorder.serve.keys import made

    key, line = made()
    typer.echo(f"the key, for whoever asks (it is shown once): {key}")
    typer.echo(f"its line, for the --api-keys-file:            {line}")


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags that were given; a list of texts is a tuple here."""
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}


def _flag(one: "Field[Any]") -> inspect.Parameter:
    """A setting as a flag."""
    hint, name = HINTS[one.name], one.name.replace("_", "-")
    several = hint == tuple[str, ...]
    words = f"--{name}/--no-{name}" if hint is bool else f"--{name}"
    shown = str(one.default) if one.default not in (None, (), False) else False
    more = " May be repeated." if several else ""
    option = typer.Option(None, words, help=one.metadata["help"] + more, show_default=shown)
    annotation = list[str] | None if several else hint | None
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation
    )


def _signature() -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    first = [
        inspect.Parameter(
            "config",
            kind,
            default=typer.Option(
                None, help=f"A TOML file of settings; {PREFIX}* and flags are stronger."
            ),
            annotation=Path | None,
        ),
        inspect.Parameter(
            "hash_key",
            kind,
            default=typer.Option(False, "--hash-key", help="Make an API key, and end."),
            annotation=bool,
        ),
    ]
    return inspect.Signature([*first, *map(_flag, fields(Settings))])


serve.__signature__ = _signature()  # type: ignore[attr-defined]  # what typer reads
