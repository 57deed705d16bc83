"""`eval baseline|run|report`: how good the model is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from ..dataset import Dataset
from ..errors import EvaluationError
from ..evaluation.evaluator import EvaluationInterrupted
from ..evaluation.files import (
    baseline_path,
    finish,
    keep_interrupted,
    known_answers,
    matching_baseline,
    new_journal,
    newest_evaluation,
    read_results,
    save_baseline,
    unfinished,
)
from ..evaluation.questions import parameters_of
from ..evaluation.report import Report
from ..evaluation.results import TOLERATED, Results, Row
from ..safe_decoding import Decoding
from ..translator import Translator
from .app import App, shared, train_file, val_file
from .asking import Asking, asking
from .endpoints import endpoint_name, foreign_options, the_endpoint
from .failures import FAILED, INTERRUPTED
from .history import commit, history_, training_of
from .watch import counted
from .words import visible

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(name="eval")
def eval_() -> None:
    """Measure a fine-tuned model against a baseline."""


@eval_.command()
@click.option("--baseline", "name", metavar="NAME", default="openai", show_default=True, help="The plugin.")
@click.option("--model", metavar="NAME", help="The model that the plugin asks.")
@click.option("--base-url", metavar="URL", help="The API that the plugin asks.")
@click.option("--few-shot", type=click.IntRange(1), metavar="N", help="Show the model N training examples.")
@train_file
@val_file
@asking
@shared
def baseline(
    app: App,
    name: str,
    model: str | None,
    base_url: str | None,
    few_shot: int | None,
    train_path: Path | None,
    val_path: Path | None,
    how: Asking,
) -> None:
    """Ask a baseline the validation questions, and keep its answers.

    A question that it has answered before, asked in the same way, is not asked again. Exits 1 when more than
    one request in a hundred failed.
    """
    from ..plugins import baseline as make

    given: dict[str, Any] = {"model": model, "base_url": base_url}
    if few_shot is not None:
        shown = Dataset.from_jsonl(train_path or app.settings.data.train).sample(few_shot)
        given["examples"] = [(example.question, example.query) for example in shown]
    options = {**app.settings.baselines.get(name, {}), **{k: v for k, v in given.items() if v is not None}}
    data = _questions(app, val_path)
    translator = make(name, **options)
    if notice := getattr(translator, "notice", ""):
        app.tell(notice)
    folder = app.settings.data.evaluations
    journal = keep_interrupted(translator.name, folder)
    known = known_answers(translator.name, parameters_of(translator), folder)
    if known is not None and known.answered:
        app.tell(f"{known.answered} answers are known already.")
    how = how.priced(getattr(translator, "price", None))
    results, whole = evaluate(translator, data, how=how, journal=journal, known=known)
    if not whole:
        _interrupted(app, results, journal)
    path = save_baseline(results, folder)
    journal.unlink(missing_ok=True)
    app.tell(f"Written: {path}")
    if path != (kept := baseline_path(results.name, folder)):
        app.tell(f"{kept} has other answers, or was asked in another way, and is left as it is.")
    _answer(app, Report.of(results, titles=("Baseline", "-")), path)
    if unreliable(results):
        _failed(app, results, "The same command asks only those again.")


@eval_.command(name="run")
@endpoint_name
@foreign_options
@val_file
@asking
@click.option("--resume", is_flag=True, help="Go on with the evaluation that was interrupted.")
@click.option("--retry-failed", is_flag=True, help="With --resume: ask again what failed.")
@click.option("--plan", is_flag=True, help="Ask nothing; say how many questions decide what.")
@shared
def run_(
    app: App,
    run_name: str | None,
    url: str | None,
    api_key_env: str | None,
    model: str | None,
    decoding: Decoding | None,
    val_path: Path | None,
    how: Asking,
    resume: bool,
    retry_failed: bool,
    plan: bool,
) -> None:
    """Ask a live endpoint the validation questions, and keep its answers.

    Each answer is kept as it comes. Ctrl-C loses none, and --resume goes on from there. Exits 1 when more
    than one request in a hundred failed; whether a target is missed is for `eval report` to say.
    """
    how = how.priced()
    data = _questions(app, val_path)
    folder = app.settings.data.evaluations
    if plan:
        from .planning import planned

        values, text = planned(min(len(data), how.sample or len(data)), folder, warn=app.tell)
        app.answer(values, text)
        return
    endpoint = the_endpoint(app, run_name, url, api_key_env, model, decoding)
    journal = _journal(app, folder, resume)
    results, whole = evaluate(endpoint, data, how=how, journal=journal, retry_failed=retry_failed)
    if not whole:
        _interrupted(app, results, journal)
    path = journal if results.partial or unreliable(results) else finish(journal, results)
    app.tell(f"Stopped, as {results.stopped}: {path}" if results.stopped else f"Written: {path}")
    other = matching_baseline(results, folder, warn=app.tell)
    _answer(app, Report.of(results, Results.read(other) if other else None), path)
    if unreliable(results):
        _failed(app, results, "`--resume --retry-failed` asks those again.")


eval_.add_command(history_)


@eval_.command()
@click.option("--evaluation", type=_PATH, help="An evaluation file, in place of the newest.")
@click.option(
    "--baseline", "baseline_file", type=_PATH, help="A baseline file, in place of the one that fits."
)
@click.option("--html", "html_path", type=_PATH, help="Write one HTML page that needs no network.")
@click.option("--markdown", type=_PATH, help="Write Markdown, for a pull request.")
@click.option("--junit", type=_PATH, help="Write JUnit XML, for CI.")
@click.option("--report-json", type=_PATH, help="Write the figures and all rows as JSON.")
@click.option("--run-name", metavar="NAME", help="With --html: draw the training run of this name.")
@click.option("--decided", is_flag=True, help="Exit 1 unless every target is met beyond noise: PASS.")
@shared
def report(
    app: App,
    evaluation: Path | None,
    baseline_file: Path | None,
    html_path: Path | None,
    markdown: Path | None,
    junit: Path | None,
    report_json: Path | None,
    run_name: str | None,
    decided: bool,
) -> None:
    """Print the comparison; exit 1 when a target is missed."""
    folder = app.settings.data.evaluations
    path = evaluation or newest_evaluation(folder, warn=app.tell)
    results = read_results(path)
    other = baseline_file or matching_baseline(results, folder, warn=app.tell)
    found = Report.of(results, Results.read(other) if other else None)
    app.tell(f"Evaluation: {path}\nBaseline:   {other or 'none; `nls-finetune eval baseline` makes one'}")
    if html_path is not None:
        training, origin = training_of(app, run_name) if run_name else ((), {})
        found.to_html(html_path, training=training, provenance={**origin, "Commit": commit()})
    for target, write in (
        (markdown, found.to_markdown),
        (junit, found.to_junit),
        (report_json, found.to_json),
    ):
        if target is not None:
            write(target)
    for target in filter(None, (html_path, markdown, junit, report_json)):
        app.tell(f"Written: {target}")
    app.answer(found.summary(), visible(str(found)))
    if not found.passed or (decided and not found.decided):
        raise SystemExit(FAILED)


def evaluate(
    translator: Translator,
    data: Dataset,
    *,
    how: Asking | None = None,
    journal: Path | None = None,
    known: Results | None = None,
    retry_failed: bool = False,
) -> tuple[Results, bool]:
    """Ask the questions with progress on stderr; the results, and whether Ctrl-C spared them.

    Ctrl-C gives what there is.
    """
    how = how or Asking()
    evaluator = how.evaluator(data)
    total = min(len(data), how.sample or len(data)) * evaluator.repeats
    right = done = 0
    with counted(f"evaluate {translator.name}", total) as step:

        def on_row(row: Row) -> None:
            nonlocal right, done
            done += 1
            right += row.right
            step(f"{right / done:.0%} right")

        try:
            results = evaluator.run(
                translator,
                on_row=on_row,
                sample=how.sample,
                journal=journal,
                known=known,
                retry_failed=retry_failed,
            )
        except EvaluationInterrupted as interruption:
            # What was under way may have been all that was left.
            return interruption.results, not interruption.results.partial
        return results, True


def _journal(app: App, folder: Path, resume: bool) -> Path:
    """Where the answers are kept as they come: a new file, or that of the evaluation that was interrupted."""
    begun = [path for path, _ in unfinished(folder)]
    if resume:
        if not begun:
            raise EvaluationError(f"{folder}: no interrupted evaluation there.", hint="Leave --resume out.")
        app.tell(f"Going on with {begun[-1]}")
        return begun[-1]
    for path in begun:
        app.tell(f"Not whole: {path}; --resume goes on with it.")
    return new_journal(datetime.now(UTC), folder)


def _questions(app: App, val_path: Path | None) -> Dataset:
    return Dataset.from_jsonl(val_path or app.settings.data.val)


def _answer(app: App, report: Report, path: Path) -> None:
    values: dict[str, Any] = {"file": str(path), **report.summary()}
    app.answer(values, visible(str(report)))


def unreliable(results: Results) -> bool:
    """Whether so many requests failed that the figures say less of the model than of its server."""
    return len(results.failures) > TOLERATED * len(results.rows)


def _failed(app: App, results: Results, hint: str) -> NoReturn:
    app.tell(f"{len(results.failures)} of {len(results.rows)} requests failed. {hint}")
    raise SystemExit(FAILED)


def _interrupted(app: App, results: Results, journal: Path) -> NoReturn:
    path = str(journal)
    if results.rows:
        app.tell(f"\nInterrupted after {len(results.rows)} of {results.asked} questions; kept in {path}.")
    else:
        journal.unlink(missing_ok=True)
        app.tell("\nInterrupted before the first answer; there is nothing to keep.")
    if results.rows or app.as_json:
        values = {"file": path if results.rows else None, "interrupted": True, **results.summary()}
        app.answer(values, path)
    raise SystemExit(INTERRUPTED)
