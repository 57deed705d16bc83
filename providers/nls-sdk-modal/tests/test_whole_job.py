"""The demo's job, small, at Modal and on this machine: the same adapter, the same answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from loopback.client import Loopback
from places import make_provider

from nls_sdk import Dataset, Evaluator, Recipe, Report, TrainingJob, baseline
from nls_sdk.artifacts import Artifact
from nls_sdk.providers import Provider
from nls_sdk.synthetic import write
from nls_sdk_local import LocalProvider
from nls_sdk_local.tiny import DEMO_RECIPE, tiny_base

QUESTIONS = 8


def do_the_job(provider: Provider, train: Dataset, val: Dataset) -> tuple[str, Report]:
    """Train, merge, serve, evaluate; returns the adapter's digest and the report."""
    small = {"max_steps": 12, "per_device_batch_size": 4, "checkpoint_steps": 6}
    recipe = Recipe.from_mapping({**DEMO_RECIPE, "base_model": str(tiny_base()), **small})
    adapter = TrainingJob(train, provider, recipe, name="whole").start().result()
    model = adapter.merge().result()
    with model.deploy() as endpoint:
        assert isinstance(model.artifact, Artifact)
        assert endpoint.models() == ["llm", f"whole.serve@{model.artifact.digest[:12]}"]
        return adapter.artifact.digest, Evaluator(val).compare(endpoint, baseline("rules"))


def without_times(report: Report) -> list[str]:
    """The report as it is printed, but for how long anything took."""
    lines = [line for line in str(report).splitlines() if "Avg Latency" not in line]
    return [re.sub(r"; (latency|first request).*", "", line) for line in lines]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    train, val = write(tmp_path_factory.mktemp("data"), train=60)
    return Dataset.from_jsonl(train), Dataset(Dataset.from_jsonl(val).examples[:QUESTIONS])


@pytest.mark.timeout(600)
def test_modal_and_this_machine_give_the_same_report(
    loopback: Loopback, tmp_path: Path, data: tuple[Dataset, Dataset]
) -> None:
    provider = make_provider()
    adapter_there, there = do_the_job(provider, *data)
    adapter_here, here = do_the_job(LocalProvider(tmp_path / "home"), *data)
    assert adapter_there == adapter_here, "the adapters differ"
    assert [row.actual for row in there.model.rows] == [row.actual for row in here.model.rows]
    assert len(there.model.rows) == QUESTIONS
    assert not [row.error for row in there.model.rows if row.error]
    assert without_times(there) == without_times(here)
    assert any("Syntax Valid" in line for line in without_times(there))
    used = [
        loopback.containers(alive=False, app=app)
        for app in (provider.options.app, provider.options.serve_app)
    ]
    assert {container["gpu"] for containers in used for container in containers} == {"H100"}
    assert loopback.containers(app=provider.options.serve_app) == []
