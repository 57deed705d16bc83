"""What a task will take at Modal: by what like runs took, else by a rough rule that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nls_sdk.artifacts import Artifact
from nls_sdk.events import Succeeded
from nls_sdk.providers import Estimate, RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import DryRun, Merge, Serve, Task, Train

from .rates import MEMORY, Price, model_of

OVERHEAD = 90.0
"""Seconds for the machine, the weights and the libraries, before the first step; a guess."""

_STEP = 0.014
"""Seconds of a step of 8 examples of 81 tokens, Qwen3-1.7B, on one H200; benchmarks/train_speed.py."""

_PACE = 970.0
"""Examples a second of the same, in steps of 64 and more."""

_PLAIN_STEP = 0.56
"""Seconds of a step of 8 to 32, where TRL's own step trains."""

_MEASURED_BATCH = 8
_MEASURED_SIZE = 1.7
_PARAMETERS = re.compile(r"(\d+(?:\.\d+)?)\s*([BM])\b", re.IGNORECASE)


def estimate(
    task: Task,
    *,
    runs: Sequence[RunRecord],
    price: Price | None,
    gpu: str,
    idle: float,
    examples: Callable[[Train], float],
) -> Estimate:
    """Judge a task.

    Args:
        task: The task.
        runs: What has run before.
        price: What a machine costs.
        gpu: What it has.
        idle: Seconds that an endpoint's machine outlives its last request.
        examples: Counts the examples that a training sees, repetitions included; 0 when that is unknown.
    """
    if isinstance(task, Serve):
        return _server(price, min(idle, task.config.idle_timeout or idle))
    seconds, basis = _seconds(task, runs, examples)
    memory = _memory(task, gpu)
    cost = None if seconds is None or price is None else seconds * price.per_second
    words = [basis, price.source if price else f"no price is known of {gpu}", memory]
    return Estimate(seconds, cost, "; ".join(word for word in words if word))


def _server(price: Price | None, idle: float) -> Estimate:
    if price is None:
        return Estimate(None, None, "no price is known of this GPU; the endpoint scales to zero")
    return Estimate(
        None,
        None,
        f"${price.per_hour:.2f} an hour while its machine is up, nothing while it is scaled to zero, which "
        f"is {idle:.0f} s after the last request; {price.source}",
    )


def _seconds(
    task: Train | DryRun | Merge, runs: Sequence[RunRecord], examples: Callable[[Train], float]
) -> tuple[float | None, str]:
    like = [
        run
        for run in runs
        if run.state == "succeeded" and run.task.kind == task.kind and _base(run.task) == _base(task)
    ]
    if isinstance(task, Train):
        return _training(task, like, examples(task))
    if like and like[-1].seconds:
        return like[-1].seconds, f"{like[-1].run_id} took that"
    return OVERHEAD, "roughly, as loading takes most of it"


def _training(task: Train, like: Sequence[RunRecord], asked: float) -> tuple[float | None, str]:
    if not asked:
        return None, "the data of this task is gone"
    for run in reversed(like):
        metrics = run.end.metrics if isinstance(run.end, Succeeded) else {}
        if metrics.get("seconds") and metrics.get("examples"):
            pace = metrics["seconds"] / metrics["examples"]
            return (
                OVERHEAD + pace * asked,
                f"{run.run_id} saw {metrics['examples']:.0f} examples in {metrics['seconds']:.0f} s; this "
                f"has {asked:.0f}, and about {OVERHEAD:.0f} s to start",
            )
    size = _billions(task.base, task.recipe) or _MEASURED_SIZE
    batch = task.recipe.effective_batch_size
    if task.recipe.lora_dropout or task.recipe.gradient_checkpointing:
        # Small batches cost launches, not arithmetic: a step's time hardly depends on its size below this.
        step = _PLAIN_STEP * max(1.0, batch / (4 * _MEASURED_BATCH))
    else:
        step = max(_STEP, batch / _PACE)
    step *= max(1.0, size / _MEASURED_SIZE)
    return (
        OVERHEAD + step * asked / batch,
        f"nothing like it has run yet: {asked / batch:.0f} steps of about {step:.3f} s, as on one H200, and "
        f"{OVERHEAD:.0f} s to start",
    )


def _memory(task: Train | DryRun | Merge, gpu: str) -> str:
    """GPU memory: the weights twice over in two bytes each, and what a batch needs."""
    size = _billions(task.base, getattr(task, "recipe", None))
    model, _ = model_of(gpu)
    if size is None or model not in MEMORY:
        return ""
    batch = getattr(task, "recipe", Recipe()).per_device_batch_size
    needed = 2.0 * size + 0.4 * batch * max(size / _MEASURED_SIZE, 0.5)
    return f"about {needed:.0f} of {MEMORY[model]} GB of GPU memory"


def _billions(base: str | Artifact, recipe: Recipe | None) -> float | None:
    """Billions of parameters, as a model's name says them."""
    name = base if isinstance(base, str) else recipe.base_model if recipe else ""
    match = _PARAMETERS.search(name)
    return None if match is None else float(match[1]) / (1000 if match[2].upper() == "M" else 1)


def _base(task: Task) -> str:
    base = task.model if isinstance(task, Serve) else task.base
    return base.digest if isinstance(base, Artifact) else base
