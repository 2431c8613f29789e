"""What a measurement ran on: facts of the machine, versions, and the commit of the code.

    machine(), versions(), commit(), code()

No host names and no paths: a result may be published as it is.
"""

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import anyorder

PACKAGES = ("torch", "transformers")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def machine() -> dict[str, str | int | float]:
    """Processor and its abilities, cores, threads of torch, memory in GiB, the accelerator."""
    facts: dict[str, str | int | float] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "flags": " ".join(flags()),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory_gib(),
    }
    if torch.cuda.is_available():
        facts["accelerator"] = torch.cuda.get_device_name()
    return facts


def versions() -> dict[str, str]:
    """Of Python, this package, and the packages that decide speed and numbers."""
    found = {"python": platform.python_version(), "anyorder": anyorder.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # transformers may be left out one day
            continue
    return found


def commit() -> str:
    """Of the repository that this code runs from, "+" if it was changed since; "" without one."""
    repository = root()
    if repository is None:
        return ""
    head = _git(repository, "rev-parse", "--short=12", "HEAD")
    changed = _git(repository, "status", "--porcelain", "--untracked-files=no", "--", "src")
    return head + "+" if head and changed else head


def code() -> str:
    """A hash of this package's source: what ran with the same one ran the same code.

    It knows of changes that were not committed, and not of those outside of the package.
    """
    folder = Path(anyorder.__file__).parent
    files = sorted(folder.rglob("*.py"))
    parts = (f"{path.relative_to(folder)}\n".encode() + path.read_bytes() for path in files)
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def root() -> Path | None:
    """The repository that this code runs from; None where the package is installed without one."""
    folder = Path(anyorder.__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() else None


def processor() -> str:
    """The name that the processor gives itself."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def flags() -> list[str]:
    """The processor's abilities that matter here (Linux says them; elsewhere none is known)."""
    said = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return [flag for flag in FLAGS if flag in said]


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gib() -> float:
    """Main memory, 0 where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return 0.0


def _cpuinfo(field: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == field), "")


def _git(repository: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=repository, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
