"""Several processes that share a training's steps, each on a GPU of its own where there are GPUs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..events import Failed, load_event
from .telling import Tell

_RANK, _WORLD = "RANK", "WORLD_SIZE"
"""As torch.distributed and accelerate have them."""

_GRACE = 10.0
"""Seconds in which this process may end by itself when another has failed."""


def rank() -> int:
    """Which of the processes this is; 0 tells, saves and decides."""
    return int(os.environ.get(_RANK, "0"))


def world_size() -> int:
    """How many processes there are."""
    return int(os.environ.get(_WORLD, "1"))


class Peers:
    """The other processes, started by the first one, and ended with it.

    Attributes:
        failed: How one of them failed, if one did.
    """

    def __init__(self, count: int, arguments: Sequence[str], tell: Tell) -> None:
        """Start them, and make this process the first.

        Args:
            count: Processes in all.
            arguments: Those of each other worker.
            tell: Tells how one of them failed, if this process cannot any more.
        """
        self.failed: Failed | None = None
        self._tell = tell
        self._over = threading.Event()
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), _WORLD: str(count)}
        os.environ.update({**meeting, _RANK: "0", "LOCAL_RANK": "0"})
        command = [sys.executable, "-m", "nls_sdk.worker", "--watch-stdin", *arguments]
        self._processes = [
            subprocess.Popen(
                command,
                env={**os.environ, _RANK: str(number), "LOCAL_RANK": str(number)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(1, count)
        ]
        for process in self._processes:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def close(self) -> None:
        """End those that have not ended by themselves."""
        self._over.set()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()  # Each ends at once when this ends; see `--watch-stdin`.
            process.wait()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Keep how the process failed, and interrupt this one, which would wait for it without end."""
        told = Failed("One of the processes that share the training died without a word.")
        assert process.stdout is not None
        for line in process.stdout:
            event = load_event(line)
            told = event if isinstance(event, Failed) else told
        if process.wait() == 0 or self._over.is_set():
            return
        self.failed = self.failed or told
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._over.wait(_GRACE):
            self._tell(self.failed)
            os._exit(1)  # Waiting for the dead process, in code that no signal interrupts.


@contextmanager
def peers(count: int, arguments: Sequence[str], tell: Tell) -> Iterator[Peers | None]:
    """The other processes of a training, while it runs; none where one process is enough."""
    if count < 2:
        yield None
        return
    started = Peers(count, arguments, tell)
    try:
        yield started
    finally:
        started.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
