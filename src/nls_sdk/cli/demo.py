"""`demo`: the whole job in one command, through the same objects that user code has."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click

from ..dataset import Dataset
from ..endpoint import Endpoint
from ..errors import ConfigError, NlsError
from ..evaluation.files import save_baseline, save_evaluation
from ..evaluation.report import Report
from ..evaluation.results import Results
from ..events import Ready, Succeeded
from ..models import MergedModel
from ..providers import Provider
from ..recipe import Recipe
from ..retry import retry
from ..runs import Run
from ..serve_config import ServeConfig
from ..settings import DataPaths, override
from ..synthetic import TRAIN_ROWS, write
from ..tasks import Train
from ..training import TrainingJob, train_run
from .app import App, recipe_options, shared
from .asking import Asking
from .curl import curl
from .evaluate import evaluate
from .failures import Interrupted
from .table import table
from .watch import watch
from .words import duration, many, mebibytes

_QUESTION = "find Python files with async functions"
_PROVIDER = "local"


@attrs.define
class Stage:
    """A part of the demo.

    Attributes:
        name: What is done.
        seconds: Wall time; of a run that had finished before, only the time to find it.
        peak_bytes: Most memory that its process held; None when the run does not tell.
    """

    name: str
    seconds: float = 0.0
    peak_bytes: float | None = None


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="Default: nls-demo.")
@click.option("--data-only", is_flag=True, help="Write data to start with, and stop.")
@click.option(
    "--rows", type=click.IntRange(50), default=TRAIN_ROWS, show_default=True, help="Training examples."
)
@click.option("--sample", type=click.IntRange(1), default=200, show_default=True, help="Questions asked.")
@click.option("--keep", is_flag=True, help="Leave the endpoint up.")
@recipe_options
@shared
def demo(
    app: App,
    folder: Path | None,
    data_only: bool,
    rows: int,
    sample: int,
    keep: bool,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Do the whole job, small: data, train, merge, serve, evaluate.

    Runs at the local provider unless --provider says otherwise. What has been done before is not done
    again, so that a second call with --keep brings the endpoint up in seconds.
    """
    if data_only:
        _write_data(app, folder, rows)
        return
    app = app.at(_PROVIDER)
    root = folder or Path("nls-demo")
    if recipe_file:
        recipe = app.recipe(recipe_file, assignments)
    else:
        recipe = override(app.demo_recipe() or Recipe(), assignments)
    job_paths = DataPaths().under(root)
    try:
        _Demo(app, recipe, job_paths, rows, sample, keep).run()
    except KeyboardInterrupt:
        words = "Interrupted; nothing is left running. The same command goes on where this one stopped."
        raise Interrupted(words) from None


class _Demo:
    """The stages, in order; each cleans up after itself however it ends."""

    def __init__(
        self, app: App, recipe: Recipe, paths: DataPaths, rows: int, sample: int, keep: bool
    ) -> None:
        self._app, self._recipe, self._paths = app, recipe, paths
        self._rows, self._sample, self._keep = rows, sample, keep
        self._stages: list[Stage] = []

    def run(self) -> None:
        with self._stage("write data"):
            write(self._paths.train.parent, train=self._rows)
        data, val = Dataset.from_jsonl(self._paths.train), Dataset.from_jsonl(self._paths.val)
        job = TrainingJob(data, self._app.provider, self._recipe, "demo")
        task = job.task()
        # Named after its configuration: another one is another demo, the same one is not trained again.
        task = attrs.evolve(task, name=f"demo-{task.key[:8]}")
        untuned = MergedModel(job.provider, f"{task.name}-untuned", task.base, task.system)
        before = self._judge(untuned, val, "untuned", "Untuned")
        self._save(save_baseline, before)
        model = self._train(task, len(data))
        with self._served(model, "fine-tuned", "Fine-tuned", detached=self._keep) as endpoint:
            after = self._ask(endpoint, val, "fine-tuned")
            self._save(save_evaluation, after)
            answer = str(endpoint.translate(_QUESTION))
            report = Report.of(after, before, titles=("Fine-tuned", "Untuned"))
            self._conclude(report, endpoint, model.system, answer)

    def _train(self, task: Train, examples: int) -> MergedModel:
        name, provider = task.name, self._app.provider
        self._app.tell(f"Training {name} on {many(examples, 'example')}; {task.recipe.base_model}")
        with self._stage("train") as stage, _cancelled(provider, task.run_id):
            training = train_run(provider, retry(lambda: provider.submit(task)), task)
            stage.peak_bytes = self._watch(training, f"train {name}")
        with self._stage("merge") as stage, _cancelled(provider, f"{name}.merge"):
            merging = training.result().merge()
            stage.peak_bytes = self._watch(merging, f"merge {name}")
        return merging.result()

    def _judge(self, model: MergedModel, val: Dataset, title: str, name: str) -> Results:
        with self._served(model, title, name) as endpoint:
            return self._ask(endpoint, val, title)

    def _ask(self, endpoint: Endpoint, val: Dataset, title: str) -> Results:
        with self._stage(f"evaluate {title}"):
            results, whole = evaluate(endpoint, val, how=Asking(sample=self._sample))
        if not whole:
            raise KeyboardInterrupt
        return results

    @contextmanager
    def _served(
        self, model: MergedModel, title: str, name: str, *, detached: bool = False
    ) -> Iterator[Endpoint]:
        run_id = f"{model.name}.serve"
        with _cancelled(model.provider, run_id):
            with self._stage(f"serve {title}"):
                run = model.serve(ServeConfig(), detached=detached, name=name)
                self._watch(run, f"serve {title}")
                endpoint = run.result()
            yield endpoint
        if not detached:
            endpoint.stop()

    def _watch(self, run: Run[Any], title: str) -> float | None:
        end = watch(run, title=title)
        return end.metrics.get("peak_memory_bytes") if isinstance(end, Succeeded) else None

    @contextmanager
    def _stage(self, name: str) -> Iterator[Stage]:
        stage = Stage(name)
        started = time.monotonic()
        yield stage
        stage.seconds = time.monotonic() - started
        self._stages.append(stage)

    def _save(self, save: Any, results: Results) -> None:
        self._app.tell(f"Written: {save(results, self._paths.evaluations)}")

    def _conclude(self, report: Report, endpoint: Endpoint, system: str, answer: str) -> None:
        app, run = self._app, endpoint.run
        assert run is not None
        name = run.run_id.rpartition(".")[0]
        ready = Ready(url=endpoint.url, model=endpoint.model)
        call = curl(app, ready, name, system=system, has_key=bool(endpoint.api_key))
        if self._keep:
            closing = f"The endpoint stays up; stop it: {app.command('stop', '--run-name', name)}"
        else:
            closing = "The endpoint stops now; the same command with --keep leaves it up, in seconds."
        text = [
            str(report),
            "",
            _times(self._stages),
            "",
            f"Asked:    {_QUESTION}",
            f"Answered: {answer}",
            "",
            f"Endpoint: {endpoint.url}",
            f"Try it:   {call}",
            closing,
        ]
        values = {
            "report": report.summary(),
            "stages": [attrs.asdict(stage) for stage in self._stages],
            "question": _QUESTION,
            "answer": answer,
            "run_name": name,
            "url": endpoint.url,
            "kept": self._keep,
        }
        app.answer(values, "\n".join(text))


@contextmanager
def _cancelled(provider: Provider, run_id: str) -> Iterator[None]:
    """Leave no run going when the block is left by an error or Ctrl-C, even while it is being submitted."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(NlsError):
            provider.cancel(run_id)
        raise


def _times(stages: list[Stage]) -> str:
    rows = [(s.name, duration(s.seconds), mebibytes(s.peak_bytes) if s.peak_bytes else "-") for s in stages]
    total = sum(stage.seconds for stage in stages)
    return table(("STAGE", "TIME", "PEAK MEMORY"), [*rows, ("in all", duration(total), "")])


def _write_data(app: App, folder: Path | None, rows: int) -> None:
    paths = DataPaths().under(folder) if folder else app.settings.data
    for path in (paths.train, paths.val):
        if path.exists():
            raise ConfigError(f"{path} is there already, and is left as it is.", hint="Choose another --dir.")
    train, val = write(paths.train.parent, train=rows)
    app.answer({"train": str(train), "val": str(val)}, f"Written: {train} and {val}")
