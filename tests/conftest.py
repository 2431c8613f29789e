"""What all tests share: few threads, examples without a deadline, a cache folder of their own."""

import os
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.arrays import only_arrays

jaxtyping.jaxtyped = only_arrays(jaxtyping.jaxtyped)

# compiled once, not once a test: which folder it lies in is of no interest to a test
_CACHE = Path(os.environ.get("ANYORDER_CACHE") or Path.home() / ".cache" / "anyorder")
os.environ.setdefault("ANYORDER_MACHINE_CODE", str(_CACHE / "machine-code"))

# two threads; one each, where two processes share the tests
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, torch.get_num_threads()))

# A shared machine is slow now and then, and checked shapes are slow always: neither is a failure.
settings.register_profile("anyorder", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anyorder")


@pytest.fixture(autouse=True)
def cache_dir(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path | None:
    """An empty cache folder for each test; slow tests keep the user's, where the weights are."""
    if request.node.get_closest_marker("slow"):
        return None
    folder = tmp_path / "anyorder-cache"
    monkeypatch.setenv("ANYORDER_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # a test that wants the network fails at once
    return folder
