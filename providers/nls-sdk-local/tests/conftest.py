"""A provider whose worker is a stub, and a disk of one megabyte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import STUB

from nls_sdk_local import LocalProvider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    """With a home of its own; nothing that a test started outlives it."""
    made = LocalProvider(tmp_path / "home", worker=STUB)
    yield made
    for record in made.runs():
        made.cancel(record.run_id)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
