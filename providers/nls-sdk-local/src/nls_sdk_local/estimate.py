"""How long a task takes here, judged by what like tasks took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ArtifactError
from nls_sdk.providers import Estimate, RunRecord
from nls_sdk.rundir import locate
from nls_sdk.tasks import Base, Serve, Task, Train


def estimate(home: Path, task: Task, runs: Sequence[RunRecord]) -> Estimate:
    """Judge by the newest run of the same kind on the same base model that succeeded."""
    if isinstance(task, Serve):
        return Estimate(None, 0.0, "a server on this machine runs until it is stopped or idle")
    like = [
        run
        for run in runs
        if run.state == "succeeded" and run.task.kind == task.kind and _base(run.task) == _base(task)
    ]
    if not like:
        return Estimate(None, 0.0, f"no {task.kind} of this base model has finished on this machine yet")
    model = like[-1]
    seconds = model.updated - model.created
    basis = f"{model.run_id} on this machine: {seconds:.0f} s"
    if isinstance(task, Train) and isinstance(model.task, Train):
        seen, asked = _examples(home, model.task), _examples(home, task)
        if not seen or not asked:
            return Estimate(None, 0.0, f"the data of {model.run_id} or of this task is gone")
        seconds, basis = seconds * asked / seen, f"{basis} for {seen:.0f} examples; this has {asked:.0f}"
    return Estimate(seconds, 0.0, basis)


def _base(task: Task) -> str:
    base: Base = task.model if isinstance(task, Serve) else task.base
    return base.digest if isinstance(base, Artifact) else base


def _examples(home: Path, task: Train) -> float:
    """Examples that the training sees, repetitions counted; 0 when its data is gone."""
    if task.recipe.max_steps:
        return task.recipe.max_steps * task.recipe.effective_batch_size
    try:
        with locate(home, task.data).open("rb") as file:
            return sum(1 for line in file if line.strip()) * task.recipe.epochs
    except (ArtifactError, OSError):
        return 0.0
