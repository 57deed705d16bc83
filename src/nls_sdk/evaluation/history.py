"""Results over time: the evaluations of a folder, and what each run has come from and led to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from ..errors import EvaluationError
from ..providers import RunRecord
from ..tasks import Merge, Serve, Train
from .results import Results, Share

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
        recipe: The hyperparameters that were trained with, by name.
        state: That of the newest run of the name, such as `ready`.
        loss: The last loss that training told.
        metrics: What the training said at its end.
        adapter: The digest of the trained adapter.
        model: The digest, or hub id, of the merged model.
        url: Where it is served now.
        evaluations: The evaluations of its endpoint, oldest first.
    """

    name: str
    base: str | None = None
    data: str | None = None
    recipe: dict[str, Any] = field(factory=dict)
    state: str = ""
    loss: float | None = None
    metrics: dict[str, float] = field(factory=dict)
    adapter: str | None = None
    model: str | None = None
    url: str | None = None
    evaluations: tuple[Entry, ...] = ()


def history(folder: str | Path) -> tuple[Entry, ...]:
    """The whole evaluations of a folder, oldest first; files that cannot be read are passed over."""
    return tuple(entry(path, results) for path, results in whole_evaluations(folder))


def whole_evaluations(folder: str | Path) -> list[tuple[Path, Results]]:
    """The files of `history` with their results."""
    found = []
    for path in sorted(Path(folder).glob("eval-*.json")):
        try:
            results = Results.read(path) if EVALUATION_FILE.fullmatch(path.name) else None
        except EvaluationError:
            continue
        if results is not None and not results.partial:
            found.append((path, results))
    return sorted(found, key=lambda each: (each[1].created, each[0].name))


def entry(path: Path, results: Results) -> Entry:
    """Results as a line of history."""
    return Entry(
        path=path,
        created=results.created,
        name=results.name,
        run=run_of(results),
        questions=len(results.rows),
        syntax_valid=results.syntax_valid,
        semantic_match=results.semantic_match,
        latency_ms=results.latency.mean if results.latency else None,
        fingerprint=results.fingerprint,
        cost=results.cost,
    )


def run_of(results: Results) -> str | None:
    """The name of the run whose endpoint was asked; None when it was not a run's."""
    run = results.parameters.get("run")
    return run.removesuffix(_SERVE) if isinstance(run, str) and run.endswith(_SERVE) else None


def lineage(records: Iterable[RunRecord], evaluations: Iterable[Entry] = ()) -> tuple[Lineage, ...]:
    """What each run's name has come from and led to, in the order in which the names came up."""
    found: dict[str, dict[str, Any]] = {}
    for record in sorted(records, key=lambda record: record.created):
        values = found.setdefault(record.task.name, {})
        values["state"] = record.state
        outputs = getattr(record.end, "outputs", {})
        match record.task:
            case Train() as task:
                values |= {
                    "base": _digest(task.base),
                    "data": _digest(task.data),
                    "recipe": attrs.asdict(task.recipe),
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
    return tuple(
        Lineage(name=name, **values, evaluations=tuple(each for each in entries if each.run == name))
        for name, values in found.items()
    )


def _digest(artifact: Any) -> str | None:
    return None if artifact is None else str(getattr(artifact, "digest", artifact))
