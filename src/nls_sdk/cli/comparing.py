"""`compare`: what got better, what got worse, and whether it is noise."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import EvaluationError
from ..evaluation.comparison import Comparison
from ..evaluation.files import read_results
from ..evaluation.history import run_of, whole_evaluations
from ..evaluation.report import Report
from ..evaluation.results import Results
from .app import App, shared
from .failures import FAILED


@click.command()
@click.argument("one", metavar="BEFORE")
@click.argument("other", metavar="AFTER")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Differences listed.")
@click.option("--fail-on-regression", is_flag=True, help="Exit 1 when something got worse, beyond noise.")
@shared
def compare(app: App, one: str, other: str, limit: int, fail_on_regression: bool) -> None:
    """Compare two evaluations.

    Each is a file or the name of a run; a name stands for the newest whole evaluation of that run's endpoint.
    """
    before, after = (_results(app, name) for name in (one, other))
    titles = (Path(one).stem, Path(other).stem) if Path(one).stem != Path(other).stem else (one, other)
    found = Comparison.of(before, after)
    table = Report.of(before, after, titles=titles).table
    app.answer(found.summary(), f"{table}\n{found}\n{found.differences(limit)}")
    if fail_on_regression and found.regressed:
        raise SystemExit(FAILED)


def _results(app: App, name: str) -> Results:
    path = Path(name)
    if path.suffix or path.exists():
        return read_results(path)
    folder = app.settings.data.evaluations
    found = [results for _, results in whole_evaluations(folder) if run_of(results) == name]
    if not found:
        raise EvaluationError(
            f"{name}: no such file, and no evaluation of such a run in {folder}.",
            hint=f"`nls-finetune eval run --run-name {name}` makes one.",
        )
    return found[-1]
