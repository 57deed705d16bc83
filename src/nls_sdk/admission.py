"""Admission: what a submitted task does to the run that already has its name. One rule for all providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import RunNameTaken
from .providers import ENDED, RunRecord
from .tasks import DryRun, Serve, Task

_INCIDENTAL = frozenset({"recipe.base_model"})
_SHOWN = 5


def admit(task: Task, earlier: RunRecord | None) -> bool:
    """Whether a task starts a run, rather than attaches to the one that has its name.

    A run with the same key is attached to while it lives or when it has succeeded, and started again when
    it failed or was cancelled. A server that ended is started anew. One with another key keeps its name,
    unless it has ended and leaves nothing to lose: a server, a dry run, or one that never took a step, in
    this attempt or an earlier one.

    Args:
        task: What is submitted.
        earlier: The run of the same id, or None.

    Raises:
        RunNameTaken: The name belongs to a run with another key; the message says what differs.
    """
    if earlier is None:
        return True
    if earlier.task.key == task.key:
        return earlier.state in ENDED and (earlier.state != "succeeded" or isinstance(task, Serve))
    is_unborn = earlier.state in ("failed", "cancelled") and earlier.progress is None
    if earlier.state in ENDED and (is_unborn or isinstance(earlier.task, Serve | DryRun)):
        return True
    shown = differences(earlier.task, task)
    more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    hint = "Choose another name, or restore its configuration."
    if earlier.state not in ENDED:
        hint = f"It is {earlier.state}. Stop it first: `{_stop(earlier.task)}`. Or choose another name."
    raise RunNameTaken(
        f"The run {task.run_id} exists with another configuration ({'; '.join(shown[:_SHOWN])}{more}).",
        hint=hint,
    )


def _stop(task: Task) -> str:
    if isinstance(task, Serve):
        return f"nls-finetune stop --run-name {task.name}"
    return f"nls-finetune cancel --run-name {task.name} --kind {task.kind}"


def differences(earlier: Task, later: Task) -> list[str]:
    """What decides the result and differs between two tasks, sorted, such as `recipe.lora_r: 16, now 8`."""
    old, new = dict(_leaves(earlier.decisive())), dict(_leaves(later.decisive()))
    return [
        f"{name}: {_short(old.get(name))}, now {_short(new.get(name))}"
        for name in sorted({**old, **new})
        if name not in _INCIDENTAL and old.get(name) != new.get(name)
    ]


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by their dotted names; an artifact is one value, its digest."""
    if not isinstance(value, dict):
        yield name, value
    elif value.keys() == {"path", "digest", "size"}:
        yield name, f"content {value['digest'][:12]}"
    else:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)


def _short(value: Any) -> str:
    return repr(value) if not isinstance(value, str) else value
