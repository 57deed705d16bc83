"""`eval baseline|run|report` and `compare`: how good the model is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from ..dataset import Dataset
from ..evaluation import EvaluationInterrupted, Evaluator
from ..evaluation_files import (
    baseline_path,
    matching_baseline,
    newest_evaluation,
    save_baseline,
    save_evaluation,
)
from ..report import Report
from ..results import Results, Row
from ..translator import Translator
from .app import App, shared, val_file
from .endpoints import endpoint_name, foreign_options, the_endpoint
from .failures import FAILED, INTERRUPTED
from .watch import counted

_PATH = click.Path(path_type=Path, dir_okay=False)
sample = click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Ask N questions, always the same."
)
concurrency = click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Requests in flight at once; above 1 latencies include waiting.",
)


@click.group(name="eval")
def eval_() -> None:
    """Measure a fine-tuned model against a baseline."""


@eval_.command()
@click.option("--baseline", "name", metavar="NAME", default="openai", show_default=True, help="The plugin.")
@click.option("--model", metavar="NAME", help="The model that the plugin asks.")
@click.option("--base-url", metavar="URL", help="The API that the plugin asks.")
@val_file
@sample
@concurrency
@shared
def baseline(
    app: App,
    name: str,
    model: str | None,
    base_url: str | None,
    val_path: Path | None,
    sample: int | None,
    concurrency: int,
) -> None:
    """Ask a baseline the validation questions, and keep its answers."""
    from ..plugins import baseline as make

    given = {"model": model, "base_url": base_url}
    options = {**app.settings.baselines.get(name, {}), **{k: v for k, v in given.items() if v is not None}}
    data = _questions(app, val_path)
    translator = make(name, **options)
    results, whole = evaluate(translator, data, sample=sample, concurrency=concurrency)
    folder = app.settings.data.evaluations
    if not whole:
        # Under a name of its own: half a baseline must not take the place of a whole one.
        _interrupted(
            app, results, lambda: results.write(folder / f"partial-{baseline_path(results.name).name}")
        )
    path = save_baseline(results, folder)
    _answer(app, Report.of(results, titles=("Baseline", "-")), path)


@eval_.command(name="run")
@endpoint_name
@foreign_options
@val_file
@sample
@concurrency
@shared
def run_(
    app: App,
    run_name: str | None,
    url: str | None,
    api_key_env: str | None,
    model: str,
    val_path: Path | None,
    sample: int | None,
    concurrency: int,
) -> None:
    """Ask a live endpoint the validation questions, and keep its answers.

    Ctrl-C keeps what was answered so far.
    """
    data = _questions(app, val_path)
    endpoint = the_endpoint(app, run_name, url, api_key_env, model)
    folder = app.settings.data.evaluations
    results, whole = evaluate(endpoint, data, sample=sample, concurrency=concurrency)
    if not whole:
        _interrupted(app, results, lambda: save_evaluation(results, folder))
    path = save_evaluation(results, folder)
    other = matching_baseline(results, folder)
    _answer(app, Report.of(results, Results.read(other) if other else None), path)


@eval_.command()
@click.option("--evaluation", type=_PATH, help="An evaluation file, in place of the newest.")
@click.option(
    "--baseline", "baseline_file", type=_PATH, help="A baseline file, in place of the one that fits."
)
@shared
def report(app: App, evaluation: Path | None, baseline_file: Path | None) -> None:
    """Print the comparison; exit 1 when a target is missed."""
    folder = app.settings.data.evaluations
    path = evaluation or newest_evaluation(folder)
    results = Results.read(path)
    other = baseline_file or matching_baseline(results, folder)
    found = Report.of(results, Results.read(other) if other else None)
    app.tell(f"Evaluation: {path}\nBaseline:   {other or 'none; `nls-finetune eval baseline` makes one'}")
    app.answer(found.summary(), str(found))
    if not found.passed:
        raise SystemExit(FAILED)


@click.command()
@click.argument("one", type=_PATH)
@click.argument("other", type=_PATH)
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Differences listed.")
@shared
def compare(app: App, one: Path, other: Path, limit: int) -> None:
    """Compare two evaluations."""
    titles = (one.stem, other.stem) if one.stem != other.stem else (str(one), str(other))
    found = Report.from_files(one, other, titles=titles)
    app.answer(found.summary(), f"{found}\n{found.differences(limit)}")


def evaluate(
    translator: Translator, data: Dataset, *, sample: int | None, concurrency: int = 1
) -> tuple[Results, bool]:
    """Ask the questions with progress on stderr; the results, and whether they are whole.

    Ctrl-C gives what there is.
    """
    total = min(len(data), sample or len(data))
    right = done = 0
    with counted(f"evaluate {translator.name}", total) as step:

        def on_row(row: Row) -> None:
            nonlocal right, done
            done += 1
            right += row.right
            step(f"{right / done:.0%} right")

        evaluator = Evaluator(data, concurrency=concurrency)
        try:
            return evaluator.run(translator, on_row=on_row, sample=sample), True
        except EvaluationInterrupted as interruption:
            return interruption.results, False


def _questions(app: App, val_path: Path | None) -> Dataset:
    return Dataset.from_jsonl(val_path or app.settings.data.val)


def _answer(app: App, report: Report, path: Path) -> None:
    values: dict[str, Any] = {"file": str(path), **report.summary()}
    app.answer(values, str(report))
    app.tell(f"Written: {path}")


def _interrupted(app: App, results: Results, save: Callable[[], Path]) -> NoReturn:
    if not results.rows:
        app.tell("\nInterrupted before the first answer; there is nothing to keep.")
        raise SystemExit(INTERRUPTED)
    path = save()
    app.tell(f"\nInterrupted after {len(results.rows)} of {results.asked} questions; kept in {path}.")
    app.answer({"file": str(path), "interrupted": True, **results.summary()}, str(path))
    raise SystemExit(INTERRUPTED)
