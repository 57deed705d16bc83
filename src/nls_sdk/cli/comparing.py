"""`compare`: what got better, what got worse, and whether it is noise."""

from __future__ import annotations

from pathlib import Path

import click

from ..evaluation_files import read_results
from ..report import Report
from .app import App, shared

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("one", type=_PATH)
@click.argument("other", type=_PATH)
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Differences listed.")
@shared
def compare(app: App, one: Path, other: Path, limit: int) -> None:
    """Compare two evaluations."""
    titles = (one.stem, other.stem) if one.stem != other.stem else (str(one), str(other))
    found = Report.of(read_results(one), read_results(other), titles=titles)
    app.answer(found.summary(), f"{found}\n{found.differences(limit)}")
