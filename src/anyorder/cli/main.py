"""The command `anyorder`: its subcommands, and how it speaks when something goes wrong.

    sys.exit(main())                      # or main(["generate", "Once", "--model", "smollm2"])

Whatever goes wrong is one sentence on stderr and an exit status that is not 0; `--debug` shows
where. Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from anyorder import __version__
from anyorder.cli import (
    compare,
    decoders,
    distill,
    doctor,
    fetch,
    generate,
    replay,
    reproduce,
    serve,
    systems,
    train,
    train_head,
    verify,
)
from anyorder.cli.plain import plain
from anyorder.cli.screen import remark

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130  # what a shell says of a command that Ctrl-C ended
FULL: Final = ("can't allocate memory", "CUDA out of memory")  # what torch says of no memory
NOBODY_READS: Final = 141  # and of one whose output was no longer read

app = typer.Typer(
    name="anyorder",
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    generate.generate,
    serve.serve,
    compare.compare,
    verify.verify,
    replay.replay,
    train.train,
    train_head.train_head,
    distill.distill,
    decoders.decoders,
    systems.systems,
    reproduce.reproduce,
    fetch.fetch,
    doctor.doctor,
):
    app.command()(command)


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"anyorder {__version__}")
        raise typer.Exit
    return wanted


def _debug(wanted: bool) -> bool:
    if wanted:
        os.environ["ANYORDER_DEBUG"] = "1"
    return wanted


@app.callback()
def anyorder(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show where an error came from (or ANYORDER_DEBUG=1).", callback=_debug
        ),
    ] = False,
) -> None:
    """Write text in any order and many tokens at a time, with your own language model."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    _quiet()
    try:
        code = _run(_debugged(list(sys.argv[1:] if args is None else args)) or ["--help"])
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough
        _forget_stdout()
        return NOBODY_READS
    except (KeyboardInterrupt, typer.Abort):
        return _said("stopped", INTERRUPTED)
    except Exception as error:
        if os.environ.get("ANYORDER_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        if isinstance(error, OSError):
            _forget_stdout()
        misuse = hasattr(error, "format_message")
        return _said(sentence(error), MISUSED if misuse else FAILED)


def sentence(error: Exception) -> str:
    """What a user is told of an error, in one line.

    >>> sentence(ValueError("there is no\\n decoder 'x'"))
    "there is no decoder 'x'"
    >>> sentence(FileNotFoundError(2, "No such file or directory", "a.jsonl"))
    'a.jsonl: no such file or directory'
    """
    if hasattr(error, "format_message"):  # of the command line's parser, whatever version it has
        said = str(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
        said += f": see `{getattr(getattr(error, 'ctx', None), 'command_path', 'anyorder')} --help`"
    elif isinstance(error, OSError) and error.strerror:
        said = error.strerror[:1].lower() + error.strerror[1:]
        said = f"{error.filename}: {said}" if error.filename else said
    elif isinstance(error, ValueError | OSError):
        said = str(error)
    elif isinstance(error, ModuleNotFoundError):
        said = f"{error.name} is not installed, and this needs it"
    elif isinstance(error, MemoryError) or any(sign in str(error) for sign in FULL):
        said = "there is not enough memory: a smaller model, precision or context may fit"
    else:
        said = f"{type(error).__name__}: {error} (unexpected: --debug shows where it came from)"
    return plain(" ".join(said.split()))


def _debugged(args: list[str]) -> list[str]:
    """`--debug` may stand anywhere among the options."""
    options = args[: args.index("--")] if "--" in args else args
    if "--debug" in options:
        _debug(True)
    return [arg for arg in options if arg != "--debug"] + args[len(options) :]


def _run(args: list[str]) -> int:
    root = typer.main.get_command(app)
    try:
        # not `root.main`: it has its own way with Ctrl-C, broken pipes and errors
        with root.make_context("anyorder", args) as context:
            return int(root.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code


def _said(words: str, code: int) -> int:
    print(f"anyorder: {words}", file=sys.stderr)
    return code


def _quiet() -> None:
    """Libraries keep their remarks to themselves, and no terminal is too poor for a text."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.showwarning = lambda message, *_: remark(" ".join(str(message).split()))
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")


def _forget_stdout() -> None:
    """What is still in stdout's buffer can't be written: Python must not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
