"""Code for a processor that is not this one is not asked for: LLVM would end the process."""

import os
import subprocess
import sys

import pytest

from anyorder.nets.compiled.machine import FEATURES

ASKED = (
    "import torch; from anyorder.nets.compiled.trial import is_right;"
    "print(is_right('int8', torch.float32))"
)


@pytest.mark.skipif(not FEATURES & {"avx2", "avx512f"}, reason="nothing to switch off")
@pytest.mark.parametrize("settings", [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_ENABLE_AVX": "0"}])
def test_code_for_another_processor_is_not_made(settings: dict[str, str], tmp_path) -> None:
    env = {**os.environ, **settings, "ANYORDER_MACHINE_CODE": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", ASKED], env=env, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == "False"
    assert not list(tmp_path.iterdir())
