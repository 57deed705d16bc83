"""The loopback Modal as a test has it: started, set in the environment, and with levers to pull."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx


class Loopback:
    """A running loopback Modal.

    Attributes:
        folder: Its files; `volumes/NAME` is what a Volume holds.
        variables: What a client's environment must hold.
        http: Base URL of its levers.
        pid: Its process.
    """

    def __init__(self, folder: Path, told: dict[str, Any], pid: int) -> None:
        self.folder = folder
        self.variables: dict[str, str] = told["variables"]
        self.http: str = told["http"]
        self.pid = pid

    def state(self) -> dict[str, Any]:
        """What there is, such as `containers`, `apps`, `rpcs` and `struck`."""
        values: dict[str, Any] = httpx.get(f"{self.http}/state", trust_env=False, timeout=30).json()
        return values

    def containers(self, *, alive: bool = True, app: str = "") -> list[dict[str, Any]]:
        """Those that live, or all that ever did; of an app, or of all that are named `APP-…`."""
        return [
            c
            for c in self.state()["containers"]
            if c["alive"] >= alive and (app in ("", c["app"]) or c["app"].startswith(f"{app}-"))
        ]

    def volume(self, name: str) -> Path:
        return self.folder / "volumes" / name

    def faults(
        self,
        *rules: dict[str, Any],
        ambushes: Sequence[dict[str, Any]] = (),
        rate: float = 0.0,
        http_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Set what goes wrong from now on, as `faults.py` says; nothing, without arguments."""
        self._pull(
            "faults", rules=list(rules), ambushes=list(ambushes), rate=rate, http_rate=http_rate, seed=seed
        )

    def preempt(self, **which: str) -> None:
        """Take the machine of a container away: of this `call` or `function`, else the newest."""
        self._pull("preempt", **which)

    def kill(self, **which: str) -> None:
        """Kill a container as the out-of-memory killer does."""
        self._pull("kill", **which)

    def settings(self, **values: Any) -> None:
        """Set `rates`, `clock_skew`, `cold_seconds`, `grace`, `overlay`: files laid over the shipped code."""
        self._pull("settings", **values)

    def secret(self, name: str, **values: str) -> None:
        self._pull("secret", name=name, values=values)

    def forget_secret(self, name: str) -> None:
        self._pull("forget-secret", name=name)

    def _pull(self, lever: str, **values: Any) -> None:
        answer = httpx.post(f"{self.http}/lever/{lever}", json=values, trust_env=False, timeout=30)
        answer.raise_for_status()


@contextmanager
def running(folder: Path) -> Iterator[Loopback]:
    """Start one, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "loopback", str(folder)],
            cwd=Path(__file__).parents[1],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "env.json").exists():
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the loopback Modal does not start"
            time.sleep(0.05)
        yield Loopback(folder, json.loads((folder / "env.json").read_text()), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def signed_in(loopback: Loopback) -> Iterator[None]:
    """Let this process, and those it starts, be clients of it."""
    before = dict(os.environ)
    os.environ.update(loopback.variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def free_port() -> int:
    """A port that nobody listens on, below those that the system gives to connections meanwhile."""
    while True:
        with socket.socket() as listener, suppress(OSError):
            port = random.randrange(10_000, 30_000)
            listener.bind(("127.0.0.1", port))
            return port
