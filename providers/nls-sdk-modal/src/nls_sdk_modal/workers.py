"""A container's worker process: how it is started, ended, and what its death means."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from nls_sdk.rundir import RunDirectory

from .layout import Asked

_GRACE = 10.0


def start(run: RunDirectory, asked: Asked, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the worker of a run; it ends with this process, as its input does.

    Args:
        run: The run, with its task in it.
        asked: On what, and on how many GPUs.
        environment: Its environment.
    """
    command = [sys.executable, "-m", "nls_sdk.worker", "--home", str(run.home)]
    if asked.gpus > 1:
        command += ["--processes", str(asked.gpus)]
    return subprocess.Popen(
        [*command, "--device", asked.device, "--host", "0.0.0.0", "--watch-stdin", run.run_id],  # noqa: S104  # the container's router comes from outside
        cwd=run.path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def stop(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and its children, with time to do so well. Idempotent."""
    if worker.poll() is None:
        _signal(worker, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(_GRACE)
    _signal(worker, signal.SIGKILL)
    worker.wait()


def death(code: int) -> str:
    """What the exit code of a worker says that told no result."""
    if code >= 0:
        return f"The worker ended with exit code {code} and no word of its result."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    why = ", mostly for want of memory" if -code == signal.SIGKILL else ""
    return f"The worker was killed ({name}){why}."


def _signal(worker: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, number)
