"""`eval history`: the evaluations over time; and the training behind a report."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial

import attrs
import click
import msgspec

from ..evaluation.history import Entry, history, lineage
from ..events import Progress
from ..retry import retry
from ..tasks import Train
from .app import App, shared
from .lookup import records_of
from .table import table
from .words import words


@click.command(name="history")
@shared
def history_(app: App) -> None:
    """List the evaluations over time, oldest first."""
    entries = history(app.settings.data.evaluations)
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
        "Training data, SHA-256": line.data,
        "Recipe": None if line.recipe is None else words(attrs.asdict(line.recipe)),
        "Model, SHA-256": line.model,
        "Run's cost": None if line.dollars is None else f"${line.dollars:.2f}",
    }
    return told, {key: value for key, value in facts.items() if value}


def commit() -> str:
    """The commit of the repository that this is called in, with `-dirty` where files have changed since.

    Empty where there is no repository, or no git.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
