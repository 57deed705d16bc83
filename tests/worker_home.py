"""A provider's home folder, and the worker started in it as a provider starts it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from attrs import frozen
from tiny import QUESTIONS

from nls_sdk import Dataset
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.events import Event, load_event
from nls_sdk.rundir import RunDirectory
from nls_sdk.tasks import Task

KEY = "a-key-that-must-not-show"


@frozen
class Home:
    """A provider's home folder.

    Attributes:
        path: The folder.
        base: The tiny model.
        data: Twenty questions and their queries.
    """

    path: Path
    base: Artifact
    data: Artifact

    def store(self, path: Path) -> Artifact:
        return Artifact(path.relative_to(self.path).as_posix(), *fingerprint(path))

    def write(self, task: Task) -> RunDirectory:
        directory = RunDirectory(self.path, task.run_id)
        directory.write_task(task)
        return directory

    def start(self, task: Task, *flags: str, **options: Any) -> subprocess.Popen[str]:
        self.write(task)
        command = [sys.executable, "-m", "nls_sdk.worker", "--home", str(self.path), *flags, task.run_id]
        defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "NLS_API_KEY": KEY, "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(command, env=environment, **{**defaults, **options})

    def fork(self, task: Task) -> Forked:
        """Start the worker as `start` does, as a fork of a process that has imported what trains."""
        self.write(task)
        return Forked(["--home", str(self.path), task.run_id])


def preloaded() -> ForkServerContext:
    """Processes that are forks of one that has imported what trains, and has done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "nls_sdk.worker.training"])
    return context


class Forked:
    """A worker in a process of its own, without the imports: they take longer than a tiny training.

    Attributes:
        stdout: What it tells.
    """

    def __init__(self, arguments: list[str]) -> None:
        forks = preloaded()
        reader, writer = forks.Pipe(duplex=False)
        self._process = forks.Process(target=_work, args=(arguments, writer))
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()))
        reader.close()

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it told since, once it has ended."""
        with self.stdout:
            told = self.stdout.read()
        self._process.join(timeout)
        return told, ""

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode


def _work(arguments: list[str], output: Connection) -> None:
    from nls_sdk.worker.__main__ import main

    os.dup2(output.fileno(), 1)
    output.close()
    sys.exit(main(arguments))


def make_home(path: Path, model: Path) -> Home:
    """A home folder with a model and twenty questions."""
    artifacts = path / "artifacts"
    artifacts.mkdir()
    (artifacts / "base").symlink_to(model)
    data = Dataset.from_pairs(QUESTIONS[:20]).write(artifacts / "data.jsonl")
    return Home(
        path,
        Artifact("artifacts/base", *fingerprint(model)),
        Artifact("artifacts/data.jsonl", *fingerprint(data)),
    )


def finish(process: subprocess.Popen[str] | Forked) -> tuple[list[Event], str, int | None]:
    """Wait for the worker. Returns what it told, what else it printed, and its exit code."""
    out, err = process.communicate(timeout=240)
    return [load_event(line) for line in out.splitlines()], err, process.returncode


def read_until(process: subprocess.Popen[str] | Forked, met: Callable[[Event], bool]) -> Iterator[Event]:
    """The worker's events up to the first for which `met` holds."""
    assert process.stdout is not None
    for line in process.stdout:
        event = load_event(line)
        yield event
        if met(event):
            return
    raise AssertionError(f"the worker ended first: {process.communicate()}")
