from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = """
import gc, sys

def main():
    served = "vllm.entrypoints.cli.serve" in sys.modules
    print(sys.argv[1:], gc.isenabled(), gc.get_freeze_count() > 0, served)
"""
SERVE = """
import gc

assert not gc.isenabled()
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which a vLLM can be imported."""
    folder = tmp_path / "vllm/entrypoints/cli"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    (folder / "main.py").write_text(MAIN)
    (folder / "serve.py").write_text(SERVE)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def printed(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_vllm_is_imported_without_looking_for_garbage_and_told_everything(installed: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nls_sdk.worker.vllm_start", "serve", "/m"],
        env=installed,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "['serve', '/m'] True True True"


def test_the_command_starts_it_so_where_this_python_has_vllm(installed: dict[str, str]) -> None:
    code = (
        "from pathlib import Path; from nls_sdk import ServeConfig;"
        "from nls_sdk.worker.vllm_command import command;"
        "print(command(Path('/m'), ServeConfig(), 1, 'h')[1:4])"
    )
    assert printed(code, installed) == "['-m', 'nls_sdk.worker.vllm_start', 'serve']"
