"""TrainingJob: what it submits, under which name, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from nls_sdk import Dataset, Recipe, TrainingJob
from nls_sdk.errors import ConfigError, DataError, RunFailed, RunNameTaken
from nls_sdk.events import Event, Failed, Progress, Succeeded
from nls_sdk.tasks import DryRun, Task, Train
from nls_sdk.testing import FakeProvider

DATA = Dataset.from_pairs([("go files", "lang:go"), ("rust files", "lang:rust")])


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


def test_a_finished_training_gives_its_adapter(provider: FakeProvider) -> None:
    adapter = TrainingJob(DATA, provider, Recipe(max_steps=4), name="first").start().result()
    assert (adapter.name, adapter.base, adapter.metrics) == (
        "first",
        Recipe().base_model,
        {"train_loss": 0.25},
    )


def test_what_is_submitted_is_all_that_decides(provider: FakeProvider, tmp_path: Path) -> None:
    recipe = Recipe(learning_rate=1e-3)
    TrainingJob(DATA, provider, recipe, name="first").start()
    [task] = provider.submitted
    assert isinstance(task, Train)
    assert task.recipe == recipe
    assert Dataset.from_jsonl(provider.pull(task.data, tmp_path / "data.jsonl")) == DATA


def test_a_base_models_folder_is_pushed(provider: FakeProvider, tmp_path: Path) -> None:
    keys = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        job = TrainingJob(DATA, provider, Recipe(base_model=str(tmp_path / name)), name="first")
        keys.append(job.task().key)
    assert keys[0] == keys[1]
    assert keys[0] != TrainingJob(DATA, provider, Recipe()).task().key


def test_the_same_job_attaches(provider: FakeProvider) -> None:
    first = TrainingJob(DATA, provider, name="first").start()
    first.result()
    told = list(provider.events(first.run_id))
    assert TrainingJob(DATA, provider, name="first").start().result() == first.result()
    assert list(provider.events(first.run_id)) == told


@pytest.mark.parametrize(
    ("data", "recipe", "says"),
    [
        (DATA, Recipe(lora_r=8), "recipe.lora_r: 16, now 8"),
        (DATA.sample(1), Recipe(), "data: content"),
        (DATA, Recipe(base_model="other/model"), "base: Qwen/Qwen3-1.7B, now other/model"),
    ],
)
def test_another_job_cannot_take_the_name(
    provider: FakeProvider, data: Dataset, recipe: Recipe, says: str
) -> None:
    TrainingJob(DATA, provider, name="first").start()
    with pytest.raises(RunNameTaken) as caught:
        TrainingJob(data, provider, recipe, name="first").start()
    assert says in caught.value.message
    assert caught.value.message.count(", now ") == 1


def test_a_failed_training_starts_again() -> None:
    def script(task: Task, attempt: int) -> Iterable[Event]:
        adapter = {"adapter": provider.keep({"weights": b"w"})}
        return [Progress(attempt, 2), Failed("killed") if attempt == 1 else Succeeded(outputs=adapter)]

    provider = FakeProvider(script)
    job = TrainingJob(DATA, provider, name="first")
    with pytest.raises(RunFailed, match="killed"):
        job.start().result()
    assert job.start().result().name == "first"


def test_a_dry_run_is_a_run_of_its_own(provider: FakeProvider) -> None:
    job = TrainingJob(DATA, provider, name="first")
    for run in map(job.dry_run, ("model", "train")):
        assert run.run_id == "first.dry-run"
        assert run.result() is None
    assert [task.stage for task in provider.submitted if isinstance(task, DryRun)] == ["model", "train"]
    with pytest.raises(ConfigError, match="'model' or 'train'"):
        job.dry_run("merge")


def test_estimates_come_from_the_provider(provider: FakeProvider) -> None:
    assert TrainingJob(DATA, provider).estimate() == provider.estimate(TrainingJob(DATA, provider).task())


@pytest.mark.parametrize("name", ["", "-first", "two words", "../up", "a.b", "x" * 64])
def test_a_name_that_cannot_be_a_runs_is_refused(provider: FakeProvider, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a run's name"):
        TrainingJob(DATA, provider, name=name)


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (("data.jsonl", FakeProvider()), "data must be a Dataset, not str", "Dataset.from_jsonl"),
        ((DATA, "local"), "provider must be a provider, not str", "provider('local')"),
        ((DATA, FakeProvider), "provider must be a provider, not type", "provider("),
        ((DATA, None), "provider must be a provider, not NoneType", "provider("),
        ((DATA, FakeProvider(), {"lora_r": 8}), "recipe must be a Recipe, not dict", "Recipe("),
        ((DATA, FakeProvider(), Recipe(), 3), "3 cannot be a run's name", "letters"),
    ],
)
def test_an_argument_of_another_type_is_refused_at_once(arguments: Any, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingJob(*arguments)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_bad_data_is_refused_before_anything_is_submitted(provider: FakeProvider) -> None:
    doubled = Dataset.from_pairs([("go files", "lang:go"), ("go files", "lang:go")])
    for data in (doubled, Dataset(())):
        with pytest.raises(DataError):
            TrainingJob(data, provider).start()
    assert provider.submitted == []
