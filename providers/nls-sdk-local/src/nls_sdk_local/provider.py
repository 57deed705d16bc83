"""LocalProvider: jobs on this machine, each a worker process under a supervisor that outlives the client."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from platformdirs import user_data_dir

from nls_sdk.admission import admit
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ConfigError, ProviderError, RunNameTaken, RunNotFound
from nls_sdk.events import Event, Terminal
from nls_sdk.providers import API_VERSION, Check, Estimate, RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.rundir import RunDirectory
from nls_sdk.tasks import Serve, Task

from . import store
from .estimate import estimate
from .process import MARK, kill_run
from .run import GRACE, ROOM, LocalRun, changing, unusable

_PAUSE = 0.05
_PATIENCE = GRACE + 5
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class LocalProvider:
    """Runs tasks on this machine, for a CPU or an NVIDIA GPU; Linux and macOS.

    Attributes:
        home: The folder that holds artifacts and runs.
    """

    api_version: ClassVar[int] = API_VERSION
    name = "local"

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        gpu: str | bool | None = None,
        processes: int = 1,
        worker: str | Sequence[str] | None = None,
    ) -> None:
        """Choose where runs live and how they run; nothing is started or written yet.

        Args:
            home: The folder that holds artifacts and runs; NLS_HOME, else the user's data folder.
            gpu: Demand a GPU (True), or one whose name holds this text (`H100`); False hides it from the
                jobs; None takes what is there.
            processes: Processes that share the steps of a training, each on a GPU of its own; what is learnt
                stays the recipe's. Without GPUs they share the CPU.
            worker: The command that runs a job, such as another Python's `[PYTHON, "-m", "nls_sdk.worker"]`,
                or the same as one text.

        Raises:
            ConfigError: The demanded GPUs are not there, or the system cannot run jobs.
        """
        if sys.platform == "win32":
            raise ConfigError(
                "The local provider needs Linux or macOS.", hint="On Windows, use it within WSL."
            )
        self.home = Path(home or _default_home()).expanduser().resolve()
        self._worker = shlex.split(worker) if isinstance(worker, str) else worker and list(worker)
        if processes < 1:
            raise ConfigError(f"local: processes = {processes!r}, but it must be at least 1.")
        self._processes = processes
        self._gpu = "" if gpu is False else _demand(gpu, processes) if gpu else None

    def check(self) -> Sequence[Check]:
        """Whether jobs can run here: home folder, disk, memory, GPU, the worker's packages, the server."""
        from . import machine

        return list(machine.checks(self.home, self._worker))

    def push(self, path: Path) -> Artifact:
        """Store a file or folder; free when its content is there already.

        Raises:
            ArtifactError: It is not there, changed meanwhile, or does not fit the disk.
        """
        return store.push(self._made_home(), path)

    def pull(self, artifact: Artifact, to: Path) -> Path:
        """Copy an artifact to a path that does not exist yet, and check it.

        Raises:
            ArtifactError: It is not there, is not what was stored, or does not fit; or `to` exists.
        """
        return store.pull(self.home, artifact, to)

    def estimate(self, task: Task) -> Estimate:
        """The time that a like run took here; unknown when there was none. It costs nothing."""
        return estimate(self.home, task, self.runs(), self.events)

    def submit(self, task: Task) -> str:
        """Start a task and return its run id at once; see `Provider.submit`.

        Raises:
            RunNameTaken: The name belongs to a run with another key.
            ConfigError: The name cannot be a folder's, or the home folder cannot be written.
            ProviderError: The run's folder cannot be written, as on a full disk, or an attempt that was
                cancelled does not end.
        """
        run = self._run(task.run_id)
        if run is None:
            raise ConfigError(f"{task.name!r} cannot be a run's name.")
        deadline = time.monotonic() + _PATIENCE
        while True:
            with changing(self._made_home()):
                if not run.is_ending():
                    try:
                        self._admit(run, task)
                    except OSError as error:
                        raise ProviderError(
                            f"{run.path}: the run cannot be started: {error.strerror}.", hint=ROOM
                        ) from None
                    return run.run_id
            if time.monotonic() > deadline:
                raise ProviderError(
                    f"The run {run.run_id} was cancelled but does not end.",
                    hint=f"Look for its processes: {MARK}={run.path} is in their environment.",
                )
            time.sleep(_PAUSE)

    def runs(self) -> Sequence[RunRecord]:
        """All runs, oldest first."""
        records = []
        for run in self._runs():
            # One that is removed meanwhile, or that another version left, is not ours to show.
            with contextlib.suppress(RunNameTaken, FileNotFoundError):
                records.append(run.record(self._settle(run)))
        return sorted(records, key=lambda record: record.created)

    def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
        """The run's events numbered above `after`; a run that nobody runs any more shows its end.

        Raises:
            RunNotFound: There is no such run.
        """
        run = self._find(run_id)
        end = self._settle(run)
        told = run.events(after=after)
        if end and end.seq > max(after, told[-1].seq if told else 0):
            told.append(end)
        return told

    def cancel(self, run_id: str) -> None:
        """Stop a run and every process it started, within seconds; an ended run stays as it is.

        Raises:
            RunNotFound: There is no such run.
        """
        run = self._find(run_id)
        with changing(self.home):
            if run.bury():
                return
            run.ask_to_stop("cancelled")
        if not self._ends(run):
            kill_run(run.path)
            self._ends(run)

    def api_key(self, run_id: str) -> str | None:
        """The key that the run's server asks for, while it lives.

        Raises:
            RunNotFound: There is no such run.
        """
        return self._find(run_id).api_key()

    def demo_recipe(self) -> Recipe:
        """The recipe that teaches the small model shipped with this package, on a CPU."""
        from .tiny import DEMO_RECIPE, tiny_base

        return Recipe.from_mapping({**DEMO_RECIPE, "base_model": str(tiny_base())})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(home={str(self.home)!r})"

    def _made_home(self) -> Path:
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.home, error) from None
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise unusable(self.home, "it cannot be written")
        return self.home

    def _run(self, run_id: str) -> LocalRun | None:
        """The run of an id, there or not; None when the id cannot be a folder's name."""
        return LocalRun(RunDirectory(self.home, run_id)) if _RUN_ID.fullmatch(run_id) else None

    def _runs(self) -> list[LocalRun]:
        if self.home.exists() and not (self.home.is_dir() and os.access(self.home, os.R_OK | os.X_OK)):
            raise unusable(self.home, "it is no folder that can be read")
        tasks = (self.home / "runs").glob("*/task.json")
        return [LocalRun(RunDirectory(self.home, task.parent.name)) for task in tasks]

    def _find(self, run_id: str) -> LocalRun:
        run = self._run(run_id)
        if run is None or not run.exists():
            raise RunNotFound(run_id, [run.run_id for run in self._runs()], place=self)
        return run

    def _settle(self, run: LocalRun) -> Terminal | None:
        """The run's end, told by a reader if its supervisor died before it could."""
        if end := run.end():
            return end
        with changing(self.home):
            return run.bury()

    def _ends(self, run: LocalRun) -> bool:
        """Wait until nobody runs it; whether that came."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with changing(self.home):
                if run.bury():
                    return True
            time.sleep(_PAUSE)
        return False

    def _admit(self, run: LocalRun, task: Task) -> None:
        """Start the task, or attach to the run; the home folder is locked and the run is not ending."""
        run.path.mkdir(parents=True, exist_ok=True)
        earlier = None
        if run.exists():
            run.bury()
            earlier = run.record()
        if admit(task, earlier):
            self._start(run, task)
        elif isinstance(task, Serve):
            run.share(None if task.detached else os.getpid())

    def _start(self, run: LocalRun, task: Task) -> None:
        lock = run.take()
        assert lock is not None, "only a run that nobody runs is started"
        try:
            run.prepare(task)
            if isinstance(task, Serve) and not task.detached:
                run.add_owner(os.getpid())
            self._spawn(run, lock)
        finally:
            os.close(lock)

    def _spawn(self, run: LocalRun, lock: int) -> None:
        worker = self._worker or [sys.executable, "-m", "nls_sdk.worker"]
        environment = {**os.environ, MARK: str(run.path)}
        if self._gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpu
        if self._gpu:
            worker = [*worker, "--device", "cuda"]
        if self._processes > 1:
            worker = [*worker, "--processes", str(self._processes)]
        with (run.path / "supervisor.log").open("ab") as complaints:
            process = subprocess.Popen(
                [sys.executable, "-m", "nls_sdk_local.supervisor", str(self.home), run.run_id, *worker],
                cwd=run.path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                start_new_session=True,
                pass_fds=(lock,),
            )
        # Reaped as soon as it ends, so that a client that lives long keeps no zombie.
        threading.Thread(target=process.wait, daemon=True).start()


def _default_home() -> str:
    return os.environ.get("NLS_HOME") or user_data_dir("nls_sdk")


def _demand(gpu: str | bool, count: int) -> str:
    """The UUIDs of the first GPUs that fit the demand."""
    from .machine import gpus

    seen = gpus()
    if not seen:
        raise ConfigError(
            f"gpu={gpu!r} is demanded, but this machine shows no NVIDIA GPU.",
            hint="Leave gpu out to run on the CPU, or take a provider that has one.",
        )
    fit = [one.uuid for one in seen if gpu is True or str(gpu).lower() in one.description.lower()]
    if len(fit) < count:
        has = "; ".join(one.description for one in seen)
        times = f" {count} times" if count > 1 else ""
        raise ConfigError(
            f"gpu={gpu!r} is demanded{times}, but this machine has {has}.",
            hint="Demand one of these, or leave gpu out.",
        )
    return ",".join(fit[:count])
