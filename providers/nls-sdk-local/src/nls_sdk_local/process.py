"""Processes: telling one from another that later got its number, and leaving none behind."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

MARK = "NLS_RUN"
"""The environment variable that names the run's folder to every process of the run, and to their children."""


def identity(pid: int) -> int | None:
    """A number that this process has and no later one with the same pid; None when there is no process.

    It is the same whoever asks, and steps of the clock do not change it (from psutil 7.1 on).
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else hash(process)
    except psutil.NoSuchProcess:
        return None


def signal_group(pid: int, number: int) -> None:
    """Send a signal to every process of the group that `pid` leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def processes_of(path: Path) -> list[psutil.Process]:
    """The processes that bear the mark of the run in this folder, the oldest, its supervisor, first."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(path):
                found.append((process.create_time(), process.pid, process))
    return [process for _, _, process in sorted(found, key=lambda each: each[:2])]


def kill_run(path: Path) -> None:
    """Kill every process of the run in this folder but the calling one, with the groups they are in.

    The mark finds those that left the worker's group or outlived it; the group finds those that overwrote
    their environment to set a title.
    """
    for process in processes_of(path):
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            group = os.getpgid(process.pid)
            process.kill()
            if group != os.getpgid(0):
                signal_group(group, signal.SIGKILL)
