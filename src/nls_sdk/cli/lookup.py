"""Finding the runs that a name means."""

from __future__ import annotations

from typing import Any

import msgspec

from ..admission import admit
from ..errors import ConfigError, RunNotFound
from ..providers import ENDED, Provider, RunRecord
from ..retry import retry
from ..runs import ref_of
from ..tasks import Serve, Task
from .app import App
from .words import describe


def records_of(provider: Provider, name: str) -> list[RunRecord]:
    """All runs of a name, oldest first.

    Raises:
        RunNotFound: There is none; the hint lists the near names.
    """
    records = retry(provider.runs)
    found = [record for record in records if record.task.name == name]
    if not found:
        raise RunNotFound(name, sorted({record.task.name for record in records}), place=provider)
    return found


def is_new(app: App, task: Task) -> bool:
    """Whether a task starts a run, so that there is a price to be told first.

    Raises:
        RunNameTaken: The name belongs to a run with another key.
    """
    earlier = [record for record in retry(app.provider.runs) if record.run_id == task.run_id]
    return admit(task, earlier[0] if earlier else None)


def finished(app: App, name: str, kind: str, *, before: str) -> RunRecord:
    """The succeeded run of a name and kind, which the step `before` needs.

    Raises:
        RunNotFound: No run has that name; the hint lists the near names.
        ConfigError: It has not been started, or has not succeeded.
    """
    records = retry(app.provider.runs)
    names = [record.task.name for record in records if record.task.kind == kind]
    found = [record for record in records if record.task.name == name and record.task.kind == kind]
    if not found:
        if any(record.task.name == name for record in records):
            again = app.command(kind, "--run-name", name)
            raise ConfigError(
                f"{before.capitalize()} needs the {kind} of run {name!r}, which has none.",
                hint=f"First: {again}",
            )
        raise RunNotFound(name, names, place=app.provider)
    record = found[-1]
    if record.state != "succeeded":
        stands = describe(record.end) if record.end else f"is {record.state}."
        raise ConfigError(
            f"{before.capitalize()} needs {record.run_id} to have succeeded; it {stands}",
            hint=f"See: {app.command('logs', '--run-name', name, '--kind', kind)}",
        )
    return record


def none(app: App) -> str:
    """What is said where there are no runs."""
    return f"There are no runs at {app.provider.name} yet."


def is_live(record: RunRecord) -> bool:
    """Whether a run is still under way."""
    return record.state not in ENDED


def plain(provider: Provider, record: RunRecord) -> dict[str, Any]:
    """A run for a machine."""
    values: dict[str, Any] = msgspec.to_builtins(record)
    return {
        "ref": ref_of(provider, record.run_id),
        "run_id": record.run_id,
        "name": record.task.name,
        "kind": record.task.kind,
        "state": record.state,
        "created": record.created,
        "updated": record.updated,
        "progress": values["progress"],
        "metrics": (values["end"] or {}).get("metrics", {}),
        "end": describe(record.end) if record.end else None,
        "url": record.url,
        "serves": record.task.served_as if isinstance(record.task, Serve) else None,
        "machine_seconds": record.seconds,
        "dollars": record.dollars,
    }
