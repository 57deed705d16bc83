"""A client's sign of life: for the servers that end with it, and while it deploys one."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


def client_name() -> str:
    """What this process is called in its files: by host and number, for who reads them, and a random text."""
    host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname())[:40].strip("-") or "client"
    return f"{host}-{os.getpid()}-{uuid4().hex[:8]}"


@contextlib.contextmanager
def beating(beat: Callable[[], None], *, every: float = 5.0) -> Iterator[None]:
    """Give a sign of life now, and every few seconds while the block runs."""
    gone = threading.Event()

    def keep() -> None:
        while not gone.is_set():
            with _surviving("A sign of life"):
                beat()
            gone.wait(every)

    thread = threading.Thread(target=keep, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        gone.set()
        thread.join()


class Leases:
    """Renews the leases of this process from a thread, and ends their servers when the process does."""

    def __init__(self, *, renew: Callable[[str], None], end: Callable[[str], None], seconds: float) -> None:
        """Hold no lease yet.

        Args:
            renew: Renews the lease of a run.
            end: Ends a run.
            seconds: How long a lease lasts; it is renewed four times as often.
        """
        self._renew, self._end, self._pause = renew, end, seconds / 4
        self._held: set[str] = set()
        self._gone = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, run_id: str) -> None:
        """Keep a server alive for as long as this process lives, also where the first renewal fails."""
        self._held.add(run_id)
        if self._thread is None:
            atexit.register(self._leave)
            self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
            self._thread.start()
        self._renew(run_id)

    def drop(self, run_id: str) -> None:
        """Renew it no more; it was ended, or outlives this process now."""
        self._held.discard(run_id)

    def _keep(self) -> None:
        while not self._gone.wait(self._pause):
            for run_id in list(self._held):
                with _surviving(f"The lease of {run_id}"):
                    self._renew(run_id)

    def _leave(self) -> None:
        self._gone.set()
        for run_id in list(self._held):
            with _surviving(f"The end of {run_id}"):
                self._end(run_id)


@contextlib.contextmanager
def _surviving(what: str) -> Iterator[None]:
    """Go on after any failure: who dies of one lets servers and trainings down that somebody lives for."""
    try:
        yield
    except Exception as error:
        logger.warning("%s failed: %s: %s", what, type(error).__name__, error)
