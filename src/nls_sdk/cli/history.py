"""`eval history`: the evaluations over time, and what each run has come from and led to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click
import msgspec

from ..evaluation.history import Entry, Lineage, history, lineage
from ..events import Progress
from ..retry import retry
from ..tasks import Train
from .app import App, shared
from .lookup import records_of
from .table import table


@click.command(name="history")
@click.option("--runs", is_flag=True, help="By run of the provider: data, recipe, loss, and its evaluations.")
@shared
def history_(app: App, runs: bool) -> None:
    """List the evaluations over time, oldest first."""
    entries = history(app.settings.data.evaluations)
    if runs:
        lines = lineage(retry(app.provider.runs), entries)
        text = "\n\n".join(map(_lineage, lines)) or f"There are no runs at {app.provider.name} yet."
        app.answer(msgspec.to_builtins(lines, enc_hook=str), text)
        return
    text = _table(entries) if entries else f"{app.settings.data.evaluations}: no evaluation there."
    app.answer(msgspec.to_builtins(entries, enc_hook=str), text)


def _table(entries: Sequence[Entry]) -> str:
    rows = [
        (
            f"{each.created:%Y-%m-%d %H:%M}",
            each.run or each.name,
            str(each.questions),
            f"{each.syntax_valid.value:.1%}",
            f"{each.semantic_match.value:.1%}",
            "-" if each.latency_ms is None else f"{each.latency_ms:.0f}ms",
            "-" if each.cost is None else f"${each.cost:.4f}",
            each.fingerprint[:8],
            each.path.name,
        )
        for each in entries
    ]
    heads = ("CREATED", "MODEL", "QUESTIONS", "SYNTAX", "MATCH", "LATENCY", "COST", "DATA", "FILE")
    return table(heads, rows)


def _lineage(line: Lineage) -> str:
    recipe = ", ".join(f"{key}={value}" for key, value in line.recipe.items() if key in _SHOWN)
    facts = {
        "state": line.state,
        "base": line.base,
        "data": line.data,
        "recipe": recipe,
        "loss": None if line.loss is None else f"{line.loss:.4f}",
        "metrics": ", ".join(f"{name} {value:.6g}" for name, value in line.metrics.items()),
        "adapter": line.adapter,
        "model": line.model,
        "url": line.url,
    }
    lines = [line.name, *(f"  {name:<8} {value}" for name, value in facts.items() if value)]
    lines += [
        f"  {each.created:%Y-%m-%d %H:%M}  syntax {each.syntax_valid.value:.1%}, "
        f"match {each.semantic_match.value:.1%} of {each.questions}  {each.path.name}"
        for each in line.evaluations
    ]
    return "\n".join(lines)


_SHOWN = ("lora_r", "lora_alpha", "epochs", "learning_rate", "per_device_batch_size", "seed")


def training_of(app: App, name: str) -> tuple[list[Progress], dict[str, str]]:
    """What the training run of a name told of its progress, and where its model comes from.

    Raises:
        RunNotFound: No run has that name.
    """
    records = records_of(app.provider, name)
    told: list[Progress] = []
    for record in records:
        if record.task.kind == Train.kind:
            events = retry(partial(app.provider.events, record.run_id))
            told = [event for event in events if isinstance(event, Progress)]
    (line,) = lineage(records)
    facts = {
        "Run": name,
        "Base model": line.base,
        "Training data": line.data,
        "Recipe": ", ".join(f"{key}={value}" for key, value in line.recipe.items()),
        "Model": line.model,
    }
    return told, {key: value for key, value in facts.items() if value}
