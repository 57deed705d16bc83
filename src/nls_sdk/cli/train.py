"""`upload-data`, `dry-run`, `train`, `merge`: from data to a merged model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from ..dataset import Dataset
from ..events import Succeeded
from ..retry import retry
from ..runs import Run
from ..tasks import Task, Train
from ..training import TrainingJob, check_run_name, push_dataset, start_dry_run, train_run
from ..verify import describe_estimate
from .app import App, detach, limits, recipe_options, run_name, shared, train_file, val_file
from .failures import Interrupted
from .lookup import finished, is_new
from .watch import watch
from .words import describe, many


@click.command(name="upload-data")
@train_file
@val_file
@shared
def upload_data(app: App, train_path: Path | None, val_path: Path | None) -> None:
    """Store the training and validation data at the provider."""
    paths = (train_path or app.settings.data.train, val_path or app.settings.data.val)
    sets = [Dataset.from_jsonl(path).verify() for path in paths]
    stored = [(path, push_dataset(app.provider, data)) for path, data in zip(paths, sets, strict=True)]
    app.answer(
        [{"file": str(path), **attrs.asdict(artifact)} for path, artifact in stored],
        "\n".join(
            f"{path}: {artifact.size:,} bytes at {app.provider.name}, sha256 {artifact.digest[:16]}…"
            for path, artifact in stored
        ),
    )


@click.command(name="dry-run")
@click.argument("stage", type=click.Choice(["model", "train"]))
@click.option("--run-name", metavar="NAME", help="The run's name; made from the configuration otherwise.")
@train_file
@recipe_options
@detach
@limits
@shared
def dry_run(
    app: App,
    stage: str,
    run_name: str | None,
    train_path: Path | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    detach: bool,
) -> None:
    """Try the start of a training.

    `model` stops after the first forward pass; `train` after three steps and a checkpoint.
    """
    job = _job(app, run_name or "dry", train_path, recipe_file, assignments)
    task = job.dry_run_task(stage)
    if run_name is None:
        task = attrs.evolve(task, name=f"dry-{task.key[:8]}")
    _tell_estimate(app, task)
    _follow(app, start_dry_run(app.provider, task), title=f"dry run of {stage}", detach=detach)


@click.command()
@run_name
@train_file
@recipe_options
@detach
@limits
@shared
def train(
    app: App,
    run_name: str,
    train_path: Path | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    detach: bool,
) -> None:
    """Fine-tune a model.

    The same name with the same data and recipe attaches to the run that exists; one that failed or was
    cancelled resumes from its last checkpoint. Ctrl-C leaves the run going.
    """
    job = _job(app, run_name, train_path, recipe_file, assignments)
    # One task for all: making it verifies, hashes and stores the data.
    task = job.task()
    examples = many(len(job.data), "example")
    _tell_estimate(app, task, f"Training {job.recipe.base_model} on {examples} at {app.provider.name}.")
    run = train_run(app.provider, retry(lambda: app.provider.submit(task)), task)
    if (end := run.record().end) and isinstance(end, Succeeded):
        app.tell(f"Run {run.ref} has finished before; nothing is trained again.")
        _conclude(app, run, end, then=("merge", "--run-name", run_name))
        return
    _follow(app, run, title=f"train {run_name}", detach=detach, then=("merge", "--run-name", run_name))


@click.command()
@run_name
@detach
@limits
@shared
def merge(app: App, run_name: str, detach: bool) -> None:
    """Fold a trained adapter into its base model."""
    record = finished(app, check_run_name(run_name), "train", before="merge")
    assert isinstance(record.task, Train)
    adapter = train_run(app.provider, record.run_id, record.task).result()
    _tell_estimate(app, adapter.merge_task())
    _follow(
        app,
        adapter.merge(),
        title=f"merge {run_name}",
        detach=detach,
        then=("deploy", "--run-name", run_name),
    )


def _job(
    app: App, name: str, train_path: Path | None, recipe_file: Path | None, assignments: tuple[str, ...]
) -> TrainingJob:
    """The job that the options describe; everything that can be wrong with them is found here."""
    check_run_name(name)
    recipe = app.recipe(recipe_file, assignments)
    data = Dataset.from_jsonl(train_path or app.settings.data.train).verify()
    return TrainingJob(data, app.provider, recipe, name)


def _tell_estimate(app: App, task: Task, *lines: str) -> None:
    """Say what a task will take, after what it is; nothing where it does not start a run."""
    if is_new(app, task):
        for line in (*lines, f"Estimate: {describe_estimate(retry(lambda: app.provider.estimate(task)))}"):
            app.tell(line)


def _follow(app: App, run: Run[Any], *, title: str, detach: bool, then: tuple[str, ...] = ()) -> None:
    name = run.run_id.rpartition(".")[0]
    back = (
        f"Come back to it: {app.command('logs', '--run-name', name, '--follow')}\n"
        f"Stop it:         {app.command('cancel', '--run-name', name)}"
    )
    if detach:
        app.tell(back)
        app.answer({"ref": run.ref}, run.ref)
        return
    app.tell(f"Run {run.ref}\n{back}")
    end = watch(
        run,
        title=title,
        interrupted=lambda: Interrupted(f"Detached: {run.ref} goes on.", hint=back, ref=run.ref),
    )
    assert isinstance(end, Succeeded)
    _conclude(app, run, end, then)


def _conclude(app: App, run: Run[Any], end: Succeeded, then: tuple[str, ...]) -> None:
    values = {"ref": run.ref, "state": "succeeded", "metrics": dict(end.metrics)}
    app.answer(values, f"{run.ref} {describe(end)}")
    if then:
        app.tell(f"Next: {app.command(*then)}")
