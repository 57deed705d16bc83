"""attach: the handle of a run, found by its reference, is the one that its start returned."""

from __future__ import annotations

from pathlib import Path

import pytest

from nls_sdk import Adapter, Dataset, Endpoint, MergedModel, Recipe, Run, TrainingJob, attach
from nls_sdk.errors import ConfigError, PluginNotFound, RunNotFound
from nls_sdk.testing import FakeProvider


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def run(provider: FakeProvider) -> Run[Adapter]:
    return TrainingJob(Dataset.from_pairs([("q", "lang:go")]), provider, Recipe(), name="first").start()


def test_a_training_gives_its_adapter(provider: FakeProvider, run: Run[Adapter]) -> None:
    assert attach(run.ref, provider=provider).result() == run.result()


def test_a_merge_gives_its_model(provider: FakeProvider, run: Run[Adapter]) -> None:
    merge = run.result().merge()
    again = attach(merge.ref, provider=provider).result()
    assert isinstance(again, MergedModel)
    assert again == merge.result()


def test_a_server_gives_its_endpoint(provider: FakeProvider, run: Run[Adapter]) -> None:
    endpoint = run.result().merge().result().deploy()
    assert endpoint.run
    again = attach(endpoint.run.ref, provider=provider).result()
    assert isinstance(again, Endpoint)
    assert (again.url, again.api_key, again.model) == (endpoint.url, endpoint.api_key, "llm")
    again.stop()
    assert endpoint.run.record().state == "cancelled"


def test_a_dry_run_gives_nothing(provider: FakeProvider) -> None:
    job = TrainingJob(Dataset.from_pairs([("q", "lang:go")]), provider, Recipe(), name="first")
    assert attach(job.dry_run("model").ref, provider=provider).result() is None


@pytest.mark.parametrize("ref", ["first.train", "", ":first.train", "fake:"])
def test_what_is_no_reference_says_how_one_looks(provider: FakeProvider, ref: str) -> None:
    with pytest.raises(ConfigError) as caught:
        attach(ref, provider=provider)
    assert "local:first.train" in caught.value.hint


def test_an_unknown_run_names_the_near_ones(provider: FakeProvider, run: Run[Adapter]) -> None:
    with pytest.raises(RunNotFound) as caught:
        attach("fake:frist.train", provider=provider)
    assert "first.train" in caught.value.hint


def test_a_reference_does_not_say_where_the_runs_are(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound) as caught:
        attach("local:first.train", home=tmp_path)
    assert str(tmp_path) in caught.value.message
    assert "NLS_HOME" in caught.value.hint


def test_a_providers_name_is_no_provider() -> None:
    with pytest.raises(ConfigError, match="must be a provider, not str"):
        attach("fake:first.train", provider="fake")  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(ConfigError, match="must be a provider, not str"):
        MergedModel.untuned("some/model", "fake")  # type: ignore[arg-type]  # that is what is tested


def test_an_unknown_provider_names_what_is_installed() -> None:
    with pytest.raises(PluginNotFound, match="local"):
        attach("cluster:first.train")
