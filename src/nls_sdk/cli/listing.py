"""`list-runs`: all runs, what each was made from, how good it is and what it cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import attrs
import click
import msgspec

from ..evaluation.history import Lineage, history, lineage
from ..providers import RunRecord
from ..recipe import Recipe
from ..retry import retry
from ..tasks import KINDS, DryRun, Merge, Serve, Train
from .app import App, shared
from .lookup import none, plain
from .table import table
from .words import dollars, duration, words

_HEADS = (*("NAME", "KIND", "STATE", "STEP", "LOSS", "SYNTAX", "MATCH", "COST", "AGE", "FROM", "RECIPE"),)
_SHORT = 12


@click.command(name="list-runs")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only runs of this kind.")
@click.option(
    "--lineage", "by_name", is_flag=True, help="By name, from the data to the endpoint's evaluations."
)
@shared
def list_runs(app: App, kind: str | None, by_name: bool) -> None:
    """List all runs: their data, recipe, loss, metrics and cost.

    SYNTAX and MATCH are those of the newest whole evaluation of the run's endpoint. RECIPE has the base model
    and what differs from the defaults.
    """
    every = list(retry(app.provider.runs))
    lines = {line.name: line for line in lineage(every, history(app.settings.data.evaluations))}
    if by_name:
        found = list(lines.values())
        text = "\n\n".join(map(_story, found)) or none(app)
        app.answer(msgspec.to_builtins(found, enc_hook=str), text)
        return
    records = [record for record in every if kind in (None, record.task.kind)]
    text = table(_HEADS, [_row(record, lines) for record in records]) if records else none(app)
    app.answer([_plain(app, record, lines[record.task.name]) for record in records], text)


def _row(record: RunRecord, lines: Mapping[str, Lineage]) -> Sequence[str]:
    progress, task = record.progress, record.task
    syntax = match = "-"
    if isinstance(task, Serve) and (evaluations := lines[task.name].evaluations):
        syntax = f"{evaluations[-1].syntax_valid.value:.0%}"
        match = f"{evaluations[-1].semantic_match.value:.0%}"
    return (
        task.name,
        task.kind,
        record.state,
        f"{progress.step}/{progress.total}" if progress else "-",
        f"{progress.loss:.4f}" if progress and progress.loss is not None else "-",
        syntax,
        match,
        dollars(record.dollars),
        duration(time.time() - record.created),
        _made_from(task),
        f"{_brief(task.base)} {_changed(task.recipe)}".strip() if isinstance(task, Train | DryRun) else "-",
    )


def _made_from(task: object) -> str:
    match task:
        case Train() | DryRun():
            return f"data {_brief(task.data)}"
        case Merge():
            return f"adapter {_brief(task.adapter)}"
        case Serve():
            return f"model {_brief(task.model)}"
    return "-"


def _plain(app: App, record: RunRecord, line: Lineage) -> dict[str, object]:
    evaluations = line.evaluations if isinstance(record.task, Serve) else ()
    return {
        **plain(app.provider, record),
        "task": msgspec.to_builtins(record.task),
        "evaluations": msgspec.to_builtins(evaluations, enc_hook=str),
    }


def _story(line: Lineage) -> str:
    facts = {
        "state": line.state,
        "data": line.data,
        "base": line.base,
        "recipe": None if line.recipe is None else _changed(line.recipe) or "the defaults",
        "loss": None if line.loss is None else f"{line.loss:.4f}",
        "metrics": ", ".join(f"{name} {value:.6g}" for name, value in line.metrics.items()),
        "adapter": line.adapter,
        "model": line.model,
        "url": line.url,
        "cost": None if line.dollars is None else dollars(line.dollars),
    }
    told = [line.name, *(f"  {name:<8} {value}" for name, value in facts.items() if value)]
    told += [
        f"  {each.created:%Y-%m-%d %H:%M}  syntax {each.syntax_valid.value:.1%}, "
        f"match {each.semantic_match.value:.1%} of {each.questions}  {each.path.name}"
        for each in line.evaluations
    ]
    return "\n".join(told)


def _changed(recipe: Recipe) -> str:
    """What a recipe has otherwise than the defaults, its base model apart."""
    usual = attrs.asdict(Recipe())
    values = attrs.asdict(recipe)
    return words({k: v for k, v in values.items() if k != "base_model" and v != usual[k]})


def _brief(made: object) -> str:
    """An artifact by the first letters of its digest; a model of the hub by its id."""
    return str(getattr(made, "digest", ""))[:_SHORT] or str(made)
