"""`anyorder doctor`: what this machine and this installation have to offer."""

import os
import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

LAYER: Final = {"rows": 1728, "columns": 576}  # SmolLM2's query, key and value in one
PACKAGES: Final = ("torch", "transformers", "tokenizers", "safetensors", "gguf", "numpy", "typer")


def doctor() -> None:
    """Show versions, threads, memory, precisions, extras, cache."""
    from rich.table import Table

    from anyorder.cli.screen import out, waiting

    with waiting("Looking around (code is compiled the first time: a minute) ..."):
        facts = {**_software(), **_hardware(), **_forms(), **_extras(), **_cache()}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for name, fact in facts.items():
        table.add_row(name, fact)
    out().print(table, markup=False)


def _software() -> dict[str, str]:
    from anyorder.measure.machine import versions

    found = versions()
    return found | {name: installed(name) or "not installed" for name in PACKAGES}


def _hardware() -> dict[str, str]:
    import torch

    from anyorder.measure.machine import machine

    facts = machine()
    asked = os.environ.get("OMP_NUM_THREADS")
    cuda = "none" if torch.version.cuda else "none: this torch is built without CUDA"
    if torch.cuda.is_available():
        cuda = torch.cuda.get_device_name()
    return {
        "system": str(facts["system"]),
        "processor": str(facts["processor"]),
        "its abilities": str(facts["flags"]) or "not known",
        "cores": str(facts["cores"]),
        "threads": f"{facts['threads']}" + (f" (OMP_NUM_THREADS={asked})" if asked else ""),
        "memory": f"{facts['memory_gib']} GiB",
        "CUDA device": cuda,
    }


def _forms() -> dict[str, str]:
    """What the weights are held in, for each precision: the fastest that this machine has."""
    from anyorder.nets.precision import PRECISIONS, form_of

    return {precision: form_of(precision, **LAYER).name for precision in PRECISIONS}


def _extras() -> dict[str, str]:
    lines = []
    for extra, names in extras().items():
        missing = [name for name in names if not installed(name)]
        state = f"without {', '.join(missing)}" if missing else "complete"
        lines.append(f"{extra}: {state}")
    return {"extras": "\n".join(lines) or "not known"}


def extras() -> dict[str, list[str]]:
    """The packages of each extra, as the installed anyorder declares them."""
    try:
        lines = requires("anyorder") or []
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name and extra:
            found.setdefault(extra[1], []).append(name[0])
    return found


def installed(name: str) -> str:
    """The version of a package, or "" if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cache() -> dict[str, str]:
    from anyorder.folders import cache_dir
    from anyorder.models.files.fetch import MODELS

    folder = cache_dir()
    size = sum(file.stat().st_size for file in files(folder))
    here = [name for name, kind in MODELS.items() if (folder / name / kind.file_name).is_file()]
    return {
        "cache folder": f"{folder} ({size / 1e6:.0f} MB)",
        "fetched models": ", ".join(here) or "none",
    }


def files(folder: Path) -> list[Path]:
    """All files below a folder; none if it is not there or can't be read."""
    try:
        return [path for path in folder.rglob("*") if path.is_file()]
    except OSError:
        return []
