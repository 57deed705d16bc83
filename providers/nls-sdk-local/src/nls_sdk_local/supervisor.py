"""The supervisor: a light process beside each worker that stores what it tells, and never outlives its end.

    python -m nls_sdk_local.supervisor HOME RUN_ID WORKER…

Started by `LocalProvider.submit` with the run's lock already held; the lock is free again when this
process is gone, however it went. The worker reads from a pipe that ends with the supervisor.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from nls_sdk.errors import ConfigError
from nls_sdk.events import Cancelled, Event, Failed, Succeeded, Terminal
from nls_sdk.hearing import Listener, WorkerPipes
from nls_sdk.rundir import RunDirectory
from nls_sdk.worker import API_KEY_ENV
from nls_sdk.worker.failures import again, less_memory

from .process import kill_run, signal_group
from .run import GRACE, LocalRun, changing

_TICK = 0.1
_OWNER_TICK = 1.0
_LINGER = 20.0


class Supervisor:
    """Runs one worker to its end."""

    def __init__(self, run: LocalRun, command: Sequence[str]) -> None:
        """Prepare to run `command` for a run whose lock this process holds."""
        self._run = run
        self._command = command
        self._log = run.open_log()
        self._environment = _environment(run)
        self._listener = Listener(self._environment)
        self._told: Terminal | None = None
        self._told_at = 0.0
        self._owner_checked = 0.0
        self._signalled = False

    def supervise(self) -> None:
        """Run the worker and store how it ended."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            end = self._watch()
        except (OSError, ConfigError) as error:
            hint = f"Make room in {self._run.folder.home}. {again(self._run.folder.kind)}"
            end = Failed(f"its files cannot be written: {error}.", hint=hint)
        finally:
            kill_run(self._run.path)
        self._run.key_file.unlink(missing_ok=True)
        self._log.append(end)
        self._log.close()

    def _watch(self) -> Terminal:
        try:
            worker = subprocess.Popen(
                self._command,
                cwd=self._run.path,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            return Failed(f"the worker cannot be started: {self._command[0]}: {error.strerror}.")
        stop: Terminal | None = None
        deadline = float("inf")
        try:
            with WorkerPipes(worker, self._listener) as pipes:
                while worker.poll() is None:
                    for event in pipes.hear(_TICK):
                        self._hear(event)
                    if stop is None and (stop := self._reason_to_stop()):
                        deadline = time.monotonic() + GRACE
                        signal_group(worker.pid, signal.SIGTERM)
                    if time.monotonic() > deadline:
                        signal_group(worker.pid, signal.SIGKILL)
                kill_run(self._run.path)
                for event in pipes.rest():
                    self._hear(event)
        finally:
            signal_group(worker.pid, signal.SIGKILL)
        return self._verdict(stop, worker.returncode)

    def _hear(self, event: Event) -> None:
        match event:
            case Succeeded() | Failed() | Cancelled():
                self._told = self._told or event
                self._told_at = time.monotonic()
            case _:
                self._log.append(event)

    def _reason_to_stop(self) -> Terminal | None:
        """The end that the run should come to now, or None."""
        now = time.monotonic()
        if self._told and now > self._told_at + _LINGER:
            return self._told
        if self._signalled:
            return Failed(
                "its supervisor was told to end (SIGTERM): the machine goes down?",
                hint=again(self._run.folder.kind),
            )
        if now > self._owner_checked + _OWNER_TICK:
            self._owner_checked = now
            self._stop_if_abandoned()
        reason = self._run.asked_to_stop()
        return None if reason is None else Cancelled(reason)

    def _stop_if_abandoned(self) -> None:
        if self._run.is_abandoned():
            # Under the lock, so that nobody becomes an owner of a server that is about to end.
            with changing(self._run.folder.home):
                if self._run.is_abandoned():
                    self._run.ask_to_stop("its owner is gone")

    def _verdict(self, stop: Terminal | None, code: int) -> Terminal:
        done = self._run.folder.read_done()
        match self._told:
            case Succeeded() if done is None:
                return Failed("the worker told a success but left no DONE.json.")
            case Failed() | Cancelled() as told if stop is None:
                return told
            case _:
                return done or stop or _death(code, self._run.folder.kind)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def _environment(run: LocalRun) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop(API_KEY_ENV, None)
    if key := run.api_key():
        environment[API_KEY_ENV] = key
    return environment


def _death(code: int, kind: str) -> Failed:
    if code >= 0:
        return Failed(f"the worker ended with exit code {code} and no word of its result.")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ""
    if -code == signal.SIGKILL:
        hint = (
            "Mostly that is the system out of memory (`dmesg | grep -i oom` tells). "
            f"{again(kind)} {less_memory(kind)}"
        )
    return Failed(f"the worker was killed ({name}).", hint=hint)


def main(arguments: Sequence[str]) -> None:
    """Supervise the run that the arguments name."""
    home, run_id, *command = arguments
    folder = RunDirectory(Path(home), run_id)
    Supervisor(LocalRun(folder), [*command, "--home", home, "--watch-stdin", run_id]).supervise()


if __name__ == "__main__":
    main(sys.argv[1:])
