"""The demo's job, small, at Modal and on this machine: the same adapter, the same answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback.client import Loopback
from places import make_provider

from nls_sdk import Dataset, Evaluator, Recipe, TrainingJob
from nls_sdk.evaluation.results import Results
from nls_sdk.providers import Provider
from nls_sdk.synthetic import write
from nls_sdk_local import LocalProvider
from nls_sdk_local.tiny import DEMO_RECIPE, tiny_base

QUESTIONS = 12


def do_the_job(provider: Provider, train: Dataset, val: Dataset) -> tuple[str, Results]:
    """Train, merge, serve, evaluate; returns the adapter's digest and the results."""
    small = {"max_steps": 20, "per_device_batch_size": 4, "checkpoint_steps": 10}
    recipe = Recipe.from_mapping({**DEMO_RECIPE, "base_model": str(tiny_base()), **small})
    adapter = TrainingJob(train, provider, recipe, name="whole").start().result()
    model = adapter.merge().result()
    with model.deploy() as endpoint:
        results = Evaluator(val).run(endpoint)
    return adapter.artifact.digest, results


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    train, val = write(tmp_path_factory.mktemp("data"), train=160)
    return Dataset.from_jsonl(train), Dataset(Dataset.from_jsonl(val).examples[:QUESTIONS])


@pytest.mark.timeout(600)
def test_modal_and_this_machine_give_the_same_report(
    loopback: Loopback, tmp_path: Path, data: tuple[Dataset, Dataset]
) -> None:
    provider = make_provider()
    there = do_the_job(provider, *data)
    here = do_the_job(LocalProvider(tmp_path / "home"), *data)
    assert there[0] == here[0], "the adapters differ"
    assert [row.actual for row in there[1].rows] == [row.actual for row in here[1].rows]
    assert len(there[1].rows) == QUESTIONS
    assert not [row.error for row in there[1].rows if row.error]
    used = [
        loopback.containers(alive=False, app=app)
        for app in (provider.options.app, provider.options.serve_app)
    ]
    assert {container["gpu"] for containers in used for container in containers} == {"H100"}
    assert loopback.containers(app=provider.options.serve_app) == []
