"""The run directory: the files through which the worker, the provider and its clients speak.

A provider's home folder, wherever it is mounted, holds

    artifacts/DIGEST/…            what was pushed, by its content
    runs/NAME.KIND/task.json      what is asked
    runs/NAME.KIND/events.jsonl   what this attempt told, one event a line, each with its `seq`
    runs/NAME.KIND/checkpoints/   what a killed worker resumes from
    runs/NAME.KIND/DONE.json      outputs and metrics, written last, by rename; nothing is believed without it
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from .artifacts import Artifact, fingerprint
from .errors import ArtifactError
from .events import Succeeded
from .tasks import Base, Task, dump_task, read_task


@frozen
class RunDirectory:
    """The folder of one run.

    Attributes:
        home: The provider's home folder.
        run_id: The run's id.
    """

    home: Path
    run_id: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.home / "runs" / self.run_id

    @property
    def kind(self) -> str:
        """The kind of its task, which the id ends with."""
        return self.run_id.rpartition(".")[2]

    @property
    def task_file(self) -> Path:
        """What is asked."""
        return self.path / "task.json"

    @property
    def events_file(self) -> Path:
        """What was told."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """What a killed worker resumes from."""
        return self.path / "checkpoints"

    @property
    def done_file(self) -> Path:
        """Outputs and metrics."""
        return self.path / "DONE.json"

    def write_task(self, task: Task) -> None:
        """Make the folder and say what is asked."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.task_file, dump_task(task))

    def read_task(self) -> Task:
        """What is asked."""
        return read_task(self.task_file)

    def output(self, name: str) -> Artifact:
        """Describe the finished file or folder `name` in this run's folder."""
        digest, size = fingerprint(self.path / name)
        return Artifact(path=f"runs/{self.run_id}/{name}", digest=digest, size=size)

    def write_done(self, outputs: Mapping[str, Artifact], metrics: Mapping[str, float]) -> Succeeded:
        """Declare the run done."""
        end = Succeeded(outputs=outputs, metrics=metrics)
        write_json(self.done_file, {"outputs": msgspec.to_builtins(outputs), "metrics": dict(metrics)})
        return end

    def read_done(self) -> Succeeded | None:
        """The declaration, or None while there is none."""
        try:
            values = json.loads(self.done_file.read_text("utf-8"))
        except FileNotFoundError:
            return None
        return msgspec.convert(values, type=Succeeded)

    def resolve(self, base: Base) -> str:
        """What a model is loaded from: the path of a stored artifact, or the hub id as it is.

        Raises:
            ArtifactError: The artifact is not there.
        """
        return base if isinstance(base, str) else str(locate(self.home, base))


def locate(home: Path, artifact: Artifact) -> Path:
    """Where a stored artifact lies.

    Raises:
        ArtifactError: It is not there, or the run that made it has made another one since.
    """
    path = home / artifact.path
    if not path.exists():
        raise ArtifactError(f"{path}: the stored artifact is gone.", hint="Run the step that made it again.")
    match artifact.path.split("/"):
        case ["runs", run_id, name] if done := RunDirectory(home, run_id).read_done():
            if (now := done.outputs.get(name)) and now.digest != artifact.digest:
                raise ArtifactError(
                    f"{path}: it is {now.digest[:12]}… now, and {artifact.digest[:12]}… is asked for.",
                    hint="Its run was run anew since: start the step that needs it from its present result.",
                )
    return path


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(values), indent=1))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
