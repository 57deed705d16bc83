"""TrainingJob: a dataset, a provider and a recipe become a run."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from attrs import field, frozen

from .artifacts import Artifact
from .dataset import Dataset
from .errors import ConfigError, require
from .events import Ready, Succeeded
from .models import Adapter, push_base
from .providers import Estimate, Provider, require_provider
from .recipe import Recipe
from .retry import retry
from .runs import Run
from .tasks import DryRun, Train

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def check_run_name(name: str) -> str:
    """Return a run's name when it is one.

    Raises:
        ConfigError: It is not: letters, digits, `_` and `-`, at most 63, a letter or digit first.
    """
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ConfigError(
            f"{name!r} cannot be a run's name.",
            hint="Use letters, digits, '_' and '-', at most 63 of them, starting with a letter or a digit.",
        )
    return name


@frozen
class TrainingJob:
    """A fine-tune that can be started.

    Attributes:
        data: What to train on.
        provider: Where to train.
        recipe: How to train.
        name: The run's name; the same name leads through merge and deploy.
    """

    data: Dataset
    provider: Provider
    recipe: Recipe = field(factory=Recipe)
    name: str = "default"

    def __attrs_post_init__(self) -> None:
        require(self.data, Dataset, "TrainingJob: data", "`Dataset.from_jsonl(path)` reads one.")
        require_provider(self.provider, "TrainingJob: provider")
        require(self.recipe, Recipe, "TrainingJob: recipe", "`Recipe(learning_rate=1e-4)` makes one.")
        check_run_name(self.name)

    def start(self) -> Run[Adapter]:
        """Push the data and start training.

        The same name with the same data and recipe attaches to the run that exists; one that failed or was
        cancelled resumes from its last checkpoint.

        Raises:
            DataError: The data has no examples, or has duplicates.
            RunNameTaken: The name belongs to a run with other data or another recipe.
        """
        task = self.task()
        return train_run(self.provider, retry(lambda: self.provider.submit(task)), task)

    def dry_run(self, stage: str = "train") -> Run[None]:
        """Start the same path, shortened, to see that it would work: the run `NAME.dry-run`.

        Args:
            stage: `model` stops after the first forward pass; `train` after three steps and a checkpoint.

        Raises:
            DataError: The data has no examples, or has duplicates.
            RunNameTaken: Another dry run of this name is under way.
        """
        return start_dry_run(self.provider, self.dry_run_task(stage))

    def dry_run_task(self, stage: str = "train") -> DryRun:
        """What `dry_run` hands to the provider, as `task` is for `start`."""
        if stage not in ("model", "train"):
            raise ConfigError(f"dry_run({stage!r}): expected 'model' or 'train'.")
        full = self.task()
        return DryRun(
            name=self.name,
            base=full.base,
            data=full.data,
            recipe=full.recipe,
            stage="model" if stage == "model" else "train",
        )

    def estimate(self) -> Estimate:
        """Time and price of the training, before it starts."""
        return retry(lambda: self.provider.estimate(self.task()))

    def task(self) -> Train:
        """What the provider is handed; the data and a base model's folder are pushed on the way."""
        return Train(
            name=self.name,
            base=push_base(self.provider, self.recipe.base_model),
            data=push_dataset(self.provider, self.data.verify()),
            recipe=self.recipe,
            system=self.data.system,
        )


def push_dataset(provider: Provider, data: Dataset) -> Artifact:
    """Store a dataset, as the JSONL file that `Dataset.write` writes."""
    with tempfile.TemporaryDirectory(prefix="nls-") as folder:
        file = data.write(Path(folder) / "data.jsonl")
        return retry(lambda: provider.push(file))


def train_run(provider: Provider, run_id: str, task: Train) -> Run[Adapter]:
    """The handle of a training."""

    def finish(end: Ready | Succeeded) -> Adapter:
        assert isinstance(end, Succeeded)
        return Adapter(
            provider,
            task.name,
            task.base,
            end.outputs["adapter"],
            dict(end.metrics),
            task.recipe.dtype,
            task.system,
        )

    return Run(provider, run_id, finish)


def start_dry_run(provider: Provider, task: DryRun) -> Run[None]:
    """Submit a dry run, and return its handle."""
    return Run(provider, retry(lambda: provider.submit(task)), lambda _: None)
