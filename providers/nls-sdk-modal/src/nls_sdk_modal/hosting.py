"""Hosting a worker in a container: its events are stored, its time is measured, and it is stopped in time.

Knows nothing of Modal but that a Volume must be committed, and that an exception makes Modal try again.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attrs import evolve

from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded, Terminal
from nls_sdk.hearing import Listener, WorkerPipes
from nls_sdk.rundir import RunDirectory
from nls_sdk.tasks import Serve, Task
from nls_sdk.worker import API_KEY_ENV

from . import workers
from .checkpoints import keep_whole, vouch
from .committing import Committer
from .layout import Asked, Attempt, Machine, parse
from .log import EventLog
from .metering import Look, Meter
from .tracking import open_tracker

_TICK = 0.1
_LINGER = 20.0
_HEALTH = 30.0
_DEATHS = 2
_NEXT_TRY = "Trying again from the last checkpoint."
_NEXT_MACHINE = "The next request starts another machine."
_FOR_WANT_OF_MEMORY = (
    "If memory ran out: give the machine more (option memory), or halve per_device_batch_size and double "
    "gradient_accumulation_steps."
)
_ON_THE_MACHINE = "`modal app logs` has its output; deploy it again once it is mended."


class WorkerDied(Exception):
    """The worker ended without a word; Modal tries again, from the last checkpoint."""


class Interrupted(BaseException):
    """A server's container is told to go."""


class Host:
    """One container's part in an attempt.

    Attributes:
        ready: Set once a server answers.
        over: Set once the worker has ended.
        end: How it ended, where that is known.
    """

    def __init__(
        self,
        home: Path,
        attempt: Attempt,
        *,
        commit: Callable[[], None],
        look: Look,
        task_id: str,
        call_id: str = "",
    ) -> None:
        """Look at what is asked; nothing is started yet.

        Args:
            home: Where the Volume is mounted.
            attempt: Which attempt of which run.
            commit: Commits the Volume.
            look: What the attempt's containers have noted on it, beside this one and by now.
            task_id: Modal's id of this container.
            call_id: Modal's id of the call it works for.
        """
        self._home, self._attempt, self._commit, self._look = home, attempt, commit, look
        self.asked: Asked = parse((home / attempt.asked).read_bytes(), Asked)
        self._task = _placed(self.asked)
        self._serves = isinstance(self._task, Serve)
        self._run = RunDirectory(home, attempt.run_id)
        self._begin(Machine(task=task_id, call_id=call_id, started=time.time()))
        self._was_ready = any(isinstance(event, Ready) for event in self._log.events)
        self._told: Terminal | None = None
        self._told_at = 0.0
        self._interrupted = False
        self.ready, self.over = threading.Event(), threading.Event()
        self.end: Terminal | None = None

    def is_wanted(self) -> bool:
        """Whether this attempt is still to be run: it has not ended, and no later one has begun."""
        ended = any(isinstance(event, Terminal) for event in self._log.events)
        attempts = (self._home / self._attempt.folder).parent
        later = [path for path in attempts.iterdir() if int(path.name) > self._attempt.number]
        return not (ended or later or (self._home / self._attempt.end).exists())

    def run(self) -> None:
        """Run the worker to its end.

        Raises:
            WorkerDied: It ended without a word, and another try may help.
        """
        with self._committing():
            self._prepare()
            worker = self._start()
            try:
                self._watch(worker)
            except BaseException:
                # Preempted, cancelled, timed out: whatever takes the container away is raised here.
                workers.stop(worker)
                self._interrupt()
                raise
            workers.stop(worker)
            self._conclude(worker.returncode)

    def serve(self) -> None:
        """Run a server's worker until it ends or `interrupt` is called; its container comes and goes."""
        try:
            self.run()
        except (Interrupted, WorkerDied) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        except BaseException as error:
            self.end = self.end or Failed(f"{type(error).__name__}: {error}")
            raise
        finally:
            self.over.set()

    def interrupt(self) -> None:
        """Ask `serve`, which runs in another thread, to end."""
        self._interrupted = True

    def comes_back(self, task_id: str) -> bool:
        """Whether its server answers, after a snapshot of the container was taken or came back.

        Args:
            task_id: Modal's id of this container, another one where the snapshot was restored.
        """
        if task_id != self._meter.machine.task:
            self._begin(Machine(task=task_id, call_id=self._meter.machine.call_id, started=time.time()))
            self._was_ready = True
            self._meter.note()
        return not self.over.is_set() and _answers(self.asked.port)

    def _begin(self, machine: Machine) -> None:
        """Take this container's part of what is noted and told on the Volume."""
        self._meter = Meter(
            self._home / self._attempt.containers, machine, limit=self.asked.seconds, look=self._look
        )
        self._log = EventLog(self._home / self._attempt.events, machine.task, after=self.asked.after)

    @contextlib.contextmanager
    def _committing(self) -> Iterator[None]:
        self._committer = Committer(
            self._commit,
            every=self.asked.commit_seconds,
            before=self._before_commit,
            after=self._after_commit,
        )
        try:
            yield
        finally:
            self._committer.close()

    def _before_commit(self) -> None:
        vouch(self._run.checkpoints)
        self._meter.note()

    def _after_commit(self) -> None:
        if self._serves:  # a job has one container at a time
            self._meter.look()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop(API_KEY_ENV, None)
        if self._serves and not self.asked.proxy_auth:
            environment[API_KEY_ENV] = (self._home / self._attempt.key).read_text("utf-8")
        self._listener = Listener(environment)
        self._tracker = open_tracker(self._task, environment, self._tell)
        self._committer.touch()
        return workers.start(self._run, self.asked, environment)

    def _prepare(self) -> None:
        """Make the run's folder ready; what another task left there is removed."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            if self._run.read_task().key != self._task.key:
                for entry in self._run.path.iterdir():
                    if entry.name != "attempts":
                        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._run.write_task(self._task)
        step = keep_whole(self._run.checkpoints)
        self._meter.note(resumed_from=step)
        if self._meter.others and not self._was_ready:
            self._tell(Log(f"on another machine now; {'from the start' if step is None else f'step {step}'}"))

    def _watch(self, worker: subprocess.Popen[bytes]) -> None:
        """Store what the worker tells, until it ends or must be stopped."""
        with WorkerPipes(worker, self._listener) as pipes:
            while worker.poll() is None and not self._must_stop():
                for event in pipes.hear(_TICK):
                    self._hear(event)
            workers.stop(worker)
            for event in pipes.rest():
                self._hear(event)

    def _hear(self, event: Event) -> None:
        match event:
            case Succeeded() | Failed() | Cancelled():
                self._told, self._told_at = self._told or event, time.monotonic()
                return
            case Ready():
                self.ready.set()
                if self._was_ready:
                    return
            case Progress():
                self._tracker(event)
            case _:
                if self._was_ready:
                    # A later container of a server: Modal's own log has it, the run's log stays one story.
                    print(getattr(event, "text", ""), file=sys.stderr, flush=True)
                    return
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self._log.append(event)
        self._committer.touch()

    def _must_stop(self) -> bool:
        if self._meter.is_due:
            self._meter.note()
            self._committer.touch()
        if self._interrupted:
            raise Interrupted("the container is told to go")
        if self._told and time.monotonic() > self._told_at + _LINGER:
            return True
        if self._meter.is_over:
            self._told = self._told or Cancelled(self.asked.limit)
            return True
        return False

    def _conclude(self, code: int) -> None:
        """Tell how it ended; returns where trying again is no use."""
        done = self._run.read_done()
        why = workers.death(code)
        match self._told:
            case Succeeded() if done is None:
                end: Terminal | None = Failed("the worker told a success but left no DONE.json.")
            case Cancelled() if self._serves and self._told.reason != self.asked.limit:
                # Idle: the container goes, and the endpoint stays, scaled to zero.
                self._meter.note(ended="done")
                return
            case Failed(message) if self._was_ready or self.ready.is_set():
                # An endpoint outlives its machines: others serve beside this one, or come after it.
                why, end = message, self._last_death(message)
            case Succeeded() | Failed() | Cancelled() as told:
                end = told
            case None:
                end = done or self._last_death(why)
        if end is None:
            self._meter.note(ended="died")
            self._tell(Log(f"{why} {_NEXT_MACHINE if self._serves else _NEXT_TRY}"))
            raise WorkerDied(why)
        self.end = end
        self._meter.note(ended="done")
        self._tell(end)

    def _last_death(self, why: str) -> Failed | None:
        """A failure, where it died before without getting further: another try would only cost more."""
        deaths = 1 + sum(1 for _ in self._like_deaths())
        if deaths < _DEATHS:
            return None
        return Failed(
            f"{why} It died so {deaths} times without getting further.",
            hint=_ON_THE_MACHINE if self._serves else _FOR_WANT_OF_MEMORY,
        )

    def _like_deaths(self) -> Iterable[Machine]:
        """A training's deaths at this step; a server's just before this one, with no better end between."""
        others = self._meter.others.values()
        if self._serves:
            latest = sorted(others, key=lambda machine: machine.started, reverse=True)
            return itertools.takewhile(_has_died, latest)
        step = self._meter.machine.resumed_from
        return (machine for machine in others if _has_died(machine) and machine.resumed_from == step)

    def _interrupt(self) -> None:
        self._meter.note(ended="interrupted")
        if not self._serves:
            self._tell(Log("the machine is taken away; Modal goes on with it on another one"))


def _has_died(machine: Machine) -> bool:
    return machine.ended == "died"


def _placed(asked: Asked) -> Task:
    """The task as this container's worker is to do it: a server listens where the router looks for it."""
    task = asked.read_task()
    return evolve(task, config=evolve(task.config, port=asked.port)) if isinstance(task, Serve) else task


def _answers(port: int) -> bool:
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH)) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
