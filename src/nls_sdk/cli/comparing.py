"""`compare`: what got better, what got worse, and whether it is noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import EvaluationError
from ..evaluation.comparison import Comparison
from ..evaluation.files import read_results
from ..evaluation.history import history
from ..evaluation.report import Report
from ..evaluation.results import Results
from .app import App, shared
from .failures import FAILED
from .words import visible


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
    before, after = _results(app, (one, other))
    titles = (Path(one).stem, Path(other).stem) if Path(one).stem != Path(other).stem else (one, other)
    found = Comparison.of(before, after)
    table = Report.of(before, after, titles=titles).table
    app.answer(found.summary(), visible(f"{table}\n{found}\n{found.differences(limit)}"))
    if fail_on_regression and found.regressed:
        raise SystemExit(FAILED)


def _results(app: App, names: Sequence[str]) -> list[Results]:
    """The results that the names mean; of several that mean none, the error tells all."""
    found, errors = [], []
    for name in names:
        try:
            found.append(read_results(_path(app, name)))
        except EvaluationError as error:
            errors.append(error)
    if errors:
        raise EvaluationError("\n".join(error.message for error in errors), hint=errors[0].hint)
    return found


def _path(app: App, name: str) -> Path:
    path = Path(name)
    if path.suffix or path.exists():
        return path
    folder = app.settings.data.evaluations
    found = [entry.path for entry in history(folder) if entry.run == name]
    if not found:
        raise EvaluationError(
            f"{name}: no such file, and no evaluation of such a run in {folder}.",
            hint=f"`nls-finetune eval run --run-name {name}` makes one.",
        )
    return found[-1]
