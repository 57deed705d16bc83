"""A run's processes, as the system shows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from nls_sdk_local.process import processes_of

T = TypeVar("T")


def wait_for(look: Callable[[], T], *, seconds: float = 20.0) -> T:
    """What `look` sees as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"nothing to see for {seconds} s"
        time.sleep(0.02)
    return seen


def supervisor_of(run: Path) -> psutil.Process:
    """The run's supervisor, as soon as it has a worker."""
    return wait_for(lambda: processes_of(run)[1:] and processes_of(run))[0]


def worker_of(run: Path) -> psutil.Process:
    """The run's worker, as soon as there is one."""
    return wait_for(lambda: processes_of(run)[1:])[0]
