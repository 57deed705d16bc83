"""What runs at Modal: plain functions around `nls_sdk.worker`, which `app.py` registers."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import modal

from .hosting import Host
from .layout import MOUNT, Attempt, Machine, parse

RUN_ENV, ATTEMPT_ENV, VOLUME_ENV = "NLS_RUN_ID", "NLS_ATTEMPT", "NLS_VOLUME"
"""What a server's container is told of what it serves, and any of the Volume it commits."""


def do(run_id: str, number: int) -> None:
    """Do one attempt of a job; an exception makes Modal try again.

    Raises:
        WorkerDied: Its worker died without a word.
        RuntimeError: The container cannot do it.
    """
    try:
        _volume().reload()
        host = _host(run_id, number, call_id=modal.current_function_call_id() or "")
        if host.is_wanted():
            host.run()
    except OSError as error:
        # As it is, the client would take it for a failure of its own connection.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


class VllmServe:
    """A model server, for Modal's server class."""

    @modal.enter()
    def up(self) -> None:
        """Start it; requests come once this returns, so it has answered one by then."""
        self.host = _serve()
        _go_with(self.host)

    @modal.exit()
    def down(self) -> None:
        """End it, so that all it wrote is committed."""
        _end(self.host)


class SnapshotServe:
    """A model server whose machine is stored once it answers; later machines come up from that."""

    @modal.enter(snap=True)
    def up(self) -> None:
        """Start it; Modal takes the snapshot once this returns."""
        self.host = _serve()

    @modal.enter(snap=False)
    def back(self) -> None:
        """Go on after the snapshot, or on another machine from it; what does not answer is started afresh."""
        if not self.host.comes_back(_task_id()):
            print("what came back from the snapshot does not answer: starting afresh", flush=True)
            _end(self.host)
            self.host = _serve()
        _go_with(self.host)

    @modal.exit()
    def down(self) -> None:
        """End it, so that all it wrote is committed."""
        _end(self.host)


def vllm_serve() -> None:
    """A model server, for a web function."""
    _go_with(_serve())


def _serve() -> Host:
    """Start the server that this container is for, and return once it answers.

    Raises:
        RuntimeError: It does not come up; the message has its last words.
    """
    host = _host(os.environ[RUN_ENV], int(os.environ[ATTEMPT_ENV]))
    if not host.is_wanted():
        raise RuntimeError("This endpoint was stopped or has failed; deploy it again.")
    threading.Thread(target=host.serve, name="host", daemon=True).start()
    while not host.ready.wait(0.05):
        if host.over.is_set():
            raise RuntimeError(getattr(host.end, "message", "The server ended before it was ready."))
    return host


def _end(host: Host) -> None:
    host.interrupt()
    host.over.wait()


def _go_with(host: Host) -> None:
    """End the container when its worker ends, so that Modal starts another for the next request."""

    def go() -> None:
        host.over.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=go, daemon=True).start()


def _host(run_id: str, number: int, *, call_id: str = "") -> Host:
    attempt = Attempt(run_id, number)
    return Host(
        Path(MOUNT),
        attempt,
        commit=_volume().commit,
        look=lambda: _machines(attempt),
        task_id=_task_id(),
        call_id=call_id,
    )


def _machines(attempt: Attempt) -> list[Machine]:
    """What an attempt's containers have noted by now; the mounted Volume is as old as its last reload."""
    volume = _volume()
    files = [entry.path for entry in volume.listdir(attempt.containers) if entry.path.endswith(".json")]
    return [parse(b"".join(volume.read_file(path)), Machine) for path in files]


def _task_id() -> str:
    return os.environ.get("MODAL_TASK_ID", "unknown")


def _volume() -> modal.Volume:
    return modal.Volume.from_name(os.environ[VOLUME_ENV])
