"""Results over time: the evaluations of a folder, and what each run has come from and led to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from attrs import field, frozen

from ..providers import RunRecord
from ..recipe import Recipe
from ..tasks import Merge, Serve, Train
from .results import SCHEMA
from .rows import Share

EVALUATION_FILE = re.compile(r"eval-\d{8}-\d{6}\.json")

_SERVE = f".{Serve.kind}"


@frozen
class Entry:
    """One evaluation, as a line of history.

    Attributes:
        path: Its file.
        created: When it began, in UTC.
        name: What the model was called.
        run: The run whose endpoint was asked; None when it was not a run's.
        questions: Rows.
        syntax_valid: Answers that are syntax valid.
        semantic_match: Answers that are a semantic match.
        latency_ms: The mean; None without times.
        fingerprint: That of the data that was asked.
        cost: US dollars, where prices were told.
    """

    path: Path
    created: datetime
    name: str
    run: str | None
    questions: int
    syntax_valid: Share
    semantic_match: Share
    latency_ms: float | None
    fingerprint: str
    cost: float | None = None


@frozen
class Lineage:
    """A run's name, from its data to its evaluations.

    Attributes:
        name: The run's name.
        base: The base model; None when nothing was trained under the name.
        data: The digest of the training data.
        recipe: The hyperparameters that were trained with.
        state: That of the newest run of the name, such as `ready`.
        loss: The last loss that training told.
        metrics: What the training said at its end.
        adapter: The digest of the trained adapter.
        model: The digest, or hub id, of the merged model.
        url: Where it is served now.
        dollars: What its runs' machine time and its evaluations have cost, as far as that is known; None when
            nothing of it is.
        evaluations: The evaluations of its endpoint, oldest first.
    """

    name: str
    base: str | None = None
    data: str | None = None
    recipe: Recipe | None = None
    state: str = ""
    loss: float | None = None
    metrics: dict[str, float] = field(factory=dict)
    adapter: str | None = None
    model: str | None = None
    url: str | None = None
    dollars: float | None = None
    evaluations: tuple[Entry, ...] = ()


@frozen(kw_only=True)
class _Counted:
    count: int


@frozen(kw_only=True)
class _Mean:
    mean: float


@frozen(kw_only=True)
class _Summary:
    questions: int
    failed: int
    syntax_valid: _Counted
    semantic_match: _Counted
    latency_ms: _Mean | None


@frozen(kw_only=True)
class _File:
    """An evaluation file without its rows: a folder of large ones is listed at once."""

    schema: int
    name: str
    created: datetime
    asked: int
    fingerprint: str
    summary: _Summary
    parameters: dict[str, Any] = field(factory=dict)
    cost: float | None = None


_DECODER = msgspec.json.Decoder(_File)


def history(folder: str | Path) -> tuple[Entry, ...]:
    """The whole evaluations of a folder, oldest first, with the figures that their files tell.

    Files that cannot be read are passed over.
    """
    found = []
    for path in Path(folder).glob("eval-*.json"):
        if EVALUATION_FILE.fullmatch(path.name) and (line := _entry(path)) is not None:
            found.append(line)
    return tuple(sorted(found, key=lambda each: (each.created, each.path.name)))


def _entry(path: Path) -> Entry | None:
    try:
        file = _DECODER.decode(path.read_bytes())
    except (OSError, ValueError):
        return None
    told = file.summary
    if file.schema != SCHEMA or told.questions < file.asked:
        return None
    answered = told.questions - told.failed
    return Entry(
        path=path,
        created=file.created,
        name=file.name,
        run=run_of(file.parameters),
        questions=told.questions,
        syntax_valid=Share(told.syntax_valid.count, answered),
        semantic_match=Share(told.semantic_match.count, answered),
        latency_ms=told.latency_ms.mean if told.latency_ms else None,
        fingerprint=file.fingerprint,
        cost=file.cost,
    )


def run_of(parameters: Mapping[str, Any]) -> str | None:
    """The name of the run whose endpoint was asked with such parameters; None when it was not a run's."""
    run = parameters.get("run")
    return run.removesuffix(_SERVE) if isinstance(run, str) and run.endswith(_SERVE) else None


def lineage(records: Iterable[RunRecord], evaluations: Iterable[Entry] = ()) -> tuple[Lineage, ...]:
    """What each run's name has come from and led to, in the order in which the names came up."""
    found: dict[str, dict[str, Any]] = {}
    costs: dict[str, list[float | None]] = {}
    for record in sorted(records, key=lambda record: record.created):
        values = found.setdefault(record.task.name, {})
        values["state"] = record.state
        costs.setdefault(record.task.name, []).append(record.dollars)
        outputs = getattr(record.end, "outputs", {})
        match record.task:
            case Train() as task:
                values |= {
                    "base": _digest(task.base),
                    "data": _digest(task.data),
                    "recipe": task.recipe,
                }
                values["loss"] = record.progress.loss if record.progress else None
                values["metrics"] = dict(getattr(record.end, "metrics", {}))
                values["adapter"] = _digest(outputs.get("adapter"))
            case Merge() as task:
                values |= {"base": _digest(task.base), "adapter": _digest(task.adapter)}
                values["model"] = _digest(outputs.get("model"))
            case Serve() as task:
                values |= {"model": _digest(task.model), "url": record.url}
    entries = list(evaluations)
    lines = []
    for name, values in found.items():
        own = tuple(each for each in entries if each.run == name)
        known = [cost for cost in (*costs[name], *(each.cost for each in own)) if cost is not None]
        lines.append(Lineage(name, **values, dollars=sum(known) if known else None, evaluations=own))
    return tuple(lines)


def _digest(artifact: Any) -> str | None:
    return None if artifact is None else str(getattr(artifact, "digest", artifact))
