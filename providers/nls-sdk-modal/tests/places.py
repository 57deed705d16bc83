"""Providers for tests, and the processes of their containers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
from loopback.client import free_port

from nls_sdk_modal import ModalProvider

QUICK_WORKER = Path(__file__).parents[3] / "tests" / "quick_worker"
"""Laid over the code that containers see: a worker without torch."""

T = TypeVar("T")
_numbers = itertools.count(1)


def make_provider(**options: object) -> ModalProvider:
    """A provider with apps and a Volume of its own, for machines without a GPU."""
    number = next(_numbers)
    mine: dict[str, object] = {
        "app": f"nls-finetune-{number}",
        "serve_app": f"nls-finetune-serve-{number}",
        "volume": f"nls-query-runs-{number}",
        "device": "auto",
        "commit_seconds": 0.2,
        "port": free_port(),
    }
    return ModalProvider(**{**mine, **options})


def wait_for(look: Callable[[], T], *, seconds: float = 60.0) -> T:
    """What `look` sees as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"nothing to see for {seconds} s"
        time.sleep(0.05)
    return seen


def workers_of(run_id: str) -> list[psutil.Process]:
    """The worker processes of a run, in whatever container."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if (
                "nls_sdk.worker" in command
                and command[-1] == run_id
                and process.environ().get("MODAL_TASK_ID")
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_worker(run_id: str) -> None:
    """Kill a run's worker as the out-of-memory killer does."""
    wait_for(lambda: workers_of(run_id))[0].kill()
