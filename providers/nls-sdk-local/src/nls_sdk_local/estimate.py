"""How long a task takes here, judged by what like tasks took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve

from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ArtifactError
from nls_sdk.events import Event, Progress, Succeeded
from nls_sdk.providers import Estimate, RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.rundir import locate
from nls_sdk.tasks import Base, DryRun, Serve, Task, Train


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
        basis = f"no {task.kind} of this base model has finished on this machine yet"
        return Estimate(None, 0.0, basis + (_memory(task, runs) if isinstance(task, Train) else ""))
    model = like[-1]
    if isinstance(task, Train):
        judged = _by_examples(model, events(model.run_id), _examples(home, task))
        return evolve(judged, basis=judged.basis + _memory(task, runs))
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


def _memory(task: Train, runs: Sequence[RunRecord]) -> str:
    """What the GPU held in a training or dry run with the same needs; nothing where none is known."""
    for run in reversed(runs):
        match run.task, run.end:
            case (Train() | DryRun() as earlier, Succeeded(metrics=metrics)):
                held = metrics.get("peak_gpu_bytes")
                if held and _base(earlier) == _base(task) and _needs(earlier.recipe) == _needs(task.recipe):
                    return f"; {held / 1e9:.1f} GB of GPU memory, as {run.run_id} held"
    return ""


def _needs(recipe: Recipe) -> tuple[object, ...]:
    """What decides how much memory a training needs, beside its base model and the length of its examples."""
    return (
        recipe.effective_batch_size,
        recipe.lora_r,
        recipe.target_modules,
        recipe.dtype,
        recipe.gradient_checkpointing,
        recipe.max_length,
    )


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
