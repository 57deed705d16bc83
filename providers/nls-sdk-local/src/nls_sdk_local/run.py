"""A run on this machine: its folder, its locks, and what can be told from them.

Beside the files of `nls_sdk.rundir`, a run's folder holds

    lock             locked by the supervisor for its whole life; free means nobody runs it
    owners.json      the processes that a server lives for; absent when it outlives them all
    cancel           the reason for which the run was asked to stop
    api-key          what the server asks for, while it lives; readable by its user alone
    events-1.jsonl   what an earlier attempt told; the numbers go on in the next

Whoever changes a run that no supervisor runs holds the home folder's lock, and the run's own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen

from nls_sdk.errors import ConfigError, RunNameTaken
from nls_sdk.events import Cancelled, Event, Failed, Progress, Ready, Succeeded, Terminal
from nls_sdk.providers import RunRecord, state_of
from nls_sdk.rundir import RunDirectory, write_json
from nls_sdk.tasks import Serve, Task, Train
from nls_sdk.worker.failures import again

from .log import EventWriter, newest_first, read_events
from .process import identity, kill_run

GRACE = 5.0
"""Seconds that a worker has to end after SIGTERM."""

ROOM = "Set NLS_HOME to a folder that can be written, on a disk with room."


def unusable(home: Path, reason: OSError | str) -> ConfigError:
    """The one error for a home folder that cannot be made, read or written."""
    words = reason if isinstance(reason, str) else reason.strerror
    return ConfigError(f"{home}: the home folder cannot be used: {words}.", hint=ROOM)


@contextlib.contextmanager
def changing(home: Path) -> Iterator[None]:
    """Hold the home folder's lock; it is freed however this process ends.

    Raises:
        ConfigError: The home folder cannot be written.
    """
    try:
        file = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unusable(home, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@frozen
class LocalRun:
    """One run.

    Attributes:
        folder: Its files.
    """

    folder: RunDirectory

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.folder.run_id

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path

    @property
    def key_file(self) -> Path:
        """Where the server's API key stands."""
        return self.path / "api-key"

    @property
    def _cancel_file(self) -> Path:
        return self.path / "cancel"

    @property
    def _owners_file(self) -> Path:
        return self.path / "owners.json"

    # What it tells

    def events(self, *, after: int = 0) -> list[Event]:
        """Its events numbered above `after`."""
        return read_events(self.folder.events_file, after=after)

    def end(self) -> Terminal | None:
        """The event that ended it, or None while it goes on."""
        last = next(newest_first(self.folder.events_file), None)
        return last if isinstance(last, Succeeded | Failed | Cancelled) else None

    def record(self, end: Terminal | None = None) -> RunRecord:
        """What is known of it.

        Args:
            end: How it ended, where that could not be stored.

        Raises:
            RunNameTaken: Its `task.json` cannot be read.
        """
        created = self.folder.task_file.stat().st_mtime
        progress: Progress | None = None
        ready: Ready | None = None
        last: Event | None = None
        for event in newest_first(self.folder.events_file):
            last = last or event
            match event:
                case Progress():
                    progress = progress or event
                case Ready():
                    ready = ready or event
                case _:
                    pass
            if progress or ready:
                break
        end = last if isinstance(last, Succeeded | Failed | Cancelled) else end
        task = self._task()
        if isinstance(task, Train):
            progress = progress or self._earlier_progress()
        return RunRecord(
            run_id=self.run_id,
            task=task,
            state=state_of(end, ready=ready is not None, told=last is not None),
            created=created,
            updated=last.time if last else created,
            progress=progress,
            end=end,
            url=ready.url if ready and not end else None,
        )

    def _earlier_progress(self) -> Progress | None:
        """What the attempts before the present one reached; once there is some, they are of one task."""
        for file in reversed(self._earlier_logs()):
            for event in newest_first(file):
                if isinstance(event, Progress):
                    return event
        return None

    def exists(self) -> bool:
        """Whether something was ever asked under this name."""
        return self.folder.task_file.exists()

    def api_key(self) -> str | None:
        """The key that its server asks for, while it lives."""
        try:
            return self.key_file.read_text("utf-8")
        except FileNotFoundError:
            return None

    def _task(self) -> Task:
        try:
            return self.folder.read_task()
        except ValueError as error:
            raise RunNameTaken(
                f"{self.folder.task_file}: not a task of this version of nls-sdk: {error}.",
                hint="Choose another name, or remove the folder.",
            ) from None

    # Its lock

    def take(self) -> int | None:
        """Lock it and return the lock's file, or None when a supervisor has it.

        The lock goes with the file: it is handed to a supervisor, or freed by closing it.
        """
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def is_ending(self) -> bool:
        """Whether its supervisor is about to go."""
        if self.asked_to_stop() is None and self.end() is None:
            return False
        lock = self.take()
        if lock is not None:
            os.close(lock)
        return lock is None

    def bury(self) -> Terminal | None:
        """End it in the log if nobody runs it and it has no end; the caller holds the home's lock.

        It succeeded if it left DONE.json, was cancelled if it was asked to stop, and failed otherwise.

        Returns:
            Its end; None while it lives. An end that cannot be stored (a full disk) is returned all the same.
        """
        lock = self.take()
        if lock is None:
            return None
        try:
            return self.end() or self._bury()
        finally:
            os.close(lock)

    def _bury(self) -> Terminal:
        kill_run(self.path)
        self.key_file.unlink(missing_ok=True)
        reason = self.asked_to_stop()
        told = self.folder.read_done() or (
            Cancelled(reason)
            if reason
            else Failed(
                "its supervisor died without a word: killed, or the machine went down.",
                hint=again(self.folder.kind),
            )
        )
        try:
            with contextlib.closing(self.open_log()) as writer:
                return writer.append(told)
        except OSError:
            last = next(newest_first(self.folder.events_file), None)
            return evolve(told, seq=1 + (last.seq if last else self._last_seq()), time=time.time())

    def open_log(self) -> EventWriter:
        """The writer of its events, numbered on over all attempts; the caller holds the run's lock."""
        return EventWriter(self.folder.events_file, after=self._last_seq())

    def _last_seq(self) -> int:
        """The last number of the earlier attempts; 0 when this is the first."""
        lasts = [next(newest_first(file), None) for file in self._earlier_logs()]
        return max((last.seq for last in lasts if last), default=0)

    def _earlier_logs(self) -> list[Path]:
        """The logs of the attempts before the present one, oldest first."""
        return sorted(self.path.glob("events-*.jsonl"), key=lambda file: int(file.stem.partition("-")[2]))

    # Starting it

    def prepare(self, task: Task) -> None:
        """Make the folder ready for a start; the caller holds the run's lock.

        What another task left is removed, but for its events, which are kept as `events-N.jsonl`.
        """
        if self.folder.events_file.exists():
            number = 1 + len(self._earlier_logs())
            self.folder.events_file.rename(self.path / f"events-{number}.jsonl")
        for file in (self._cancel_file, self._owners_file, self.folder.done_file):
            file.unlink(missing_ok=True)
        if self.folder.task_file.exists() and self._task().key != task.key:
            self._clear()
        self.folder.write_task(task)
        if isinstance(task, Serve):
            write_secret(self.key_file, secrets.token_urlsafe(32))

    def _clear(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock" and not entry.name.startswith("events-"):
                entry.unlink()

    # The processes it lives by and for

    def add_owner(self, pid: int) -> None:
        """Let the server live as long as this process does, too."""
        owners = [*self._owners(), (pid, identity(pid))]
        write_json(self._owners_file, owners)

    def share(self, pid: int | None) -> None:
        """Let a server that lives live for this process too, or, with None, outlive its owners."""
        if pid is None:
            self._owners_file.unlink(missing_ok=True)
        elif self._owners_file.exists():
            self.add_owner(pid)

    def is_abandoned(self) -> bool:
        """Whether it had owners and all of them are gone."""
        owners = self._owners()
        return bool(owners) and not any(identity(pid) == known for pid, known in owners)

    def _owners(self) -> list[tuple[int, int]]:
        try:
            return [(pid, known) for pid, known in json.loads(self._owners_file.read_text("utf-8"))]
        except FileNotFoundError:
            return []

    # Asking it to stop

    def ask_to_stop(self, reason: str) -> None:
        """Have the supervisor cancel it; the first reason stays."""
        if not self._cancel_file.exists():
            write_secret(self._cancel_file, reason)

    def asked_to_stop(self) -> str | None:
        """The reason for which it was asked to stop, or None."""
        try:
            return self._cancel_file.read_text("utf-8")
        except FileNotFoundError:
            return None


def write_secret(path: Path, text: str) -> None:
    """Write a file that its user alone can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)
