"""How long a task takes here, judged by what like tasks took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ArtifactError
from nls_sdk.events import Event, Progress, Succeeded
from nls_sdk.providers import Estimate, RunRecord
from nls_sdk.rundir import locate
from nls_sdk.tasks import Base, Serve, Task, Train


def estimate(
    home: Path, task: Task, runs: Sequence[RunRecord], events: Callable[[str], Sequence[Event]]
) -> Estimate:
    """Judge by the newest run of the same kind on the same base model that succeeded.

    Args:
        home: Where the data lies.
        task: What is asked.
        runs: What ran here.
        events: What a run told.
    """
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
    if isinstance(task, Train):
        return _by_examples(model, events(model.run_id), _examples(home, task))
    seconds = model.updated - model.created
    return Estimate(seconds, 0.0, f"{model.run_id} on this machine: {seconds:.0f} s")


def _by_examples(model: RunRecord, events: Sequence[Event], asked: float) -> Estimate:
    """Judge by what a training measured over all its attempts: a record's times are those of the last one.

    What is not training takes as long again, whatever the data: starting, loading, saving.
    """
    metrics = model.end.metrics if isinstance(model.end, Succeeded) else {}
    seconds, seen = metrics.get("seconds", 0.0), metrics.get("examples", 0.0)
    if not seconds or not seen:
        return Estimate(None, 0.0, f"{model.run_id} does not say how long it trained, and on how much")
    if not asked:
        return Estimate(None, 0.0, "the data of this task is gone")
    rest = _besides_training(model, events)
    basis = (
        f"{model.run_id} on this machine: {rest:.0f} s to start, load and save, {seconds:.0f} s for "
        f"{seen:,.0f} examples; this has {asked:,.0f}"
    )
    return Estimate(rest + seconds * asked / seen, 0.0, basis)


def _besides_training(model: RunRecord, events: Sequence[Event]) -> float:
    """Seconds that the last attempt took before its first step was told, and after its last."""
    steps = [event.time for event in events if isinstance(event, Progress)]
    return max(0.0, steps[0] - model.created) + max(0.0, model.updated - steps[-1]) if steps else 0.0


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
