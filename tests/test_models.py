"""Adapters and merged models: merging, deploying, pulling, and what is left when that goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import pytest
from stub_server import StubServer

from nls_sdk import Adapter, Dataset, Endpoint, MergedModel, ServeConfig, TrainingJob, attach
from nls_sdk.artifacts import fingerprint
from nls_sdk.errors import ArtifactError, ConfigError, RunCancelled, RunFailed, RunNameTaken
from nls_sdk.events import Event, Failed, Log
from nls_sdk.prompt import SYSTEM_PROMPT
from nls_sdk.tasks import Serve, Task
from nls_sdk.testing import FakeProvider


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer("lang:go", key="fake-api-key") as stub:
        yield stub


@pytest.fixture
def provider(server: StubServer) -> FakeProvider:
    return FakeProvider(url=server.url)


@pytest.fixture
def adapter(provider: FakeProvider) -> Adapter:
    return Adapter(provider, "first", "some/model", provider.keep({"adapter_config.json": b"{}"}))


def test_merging_twice_is_merging_once(adapter: Adapter) -> None:
    merged = adapter.merge().result()
    assert merged.name == "first"
    assert adapter.merge().result() == merged


def test_another_adapter_cannot_take_the_name(provider: FakeProvider, adapter: Adapter) -> None:
    adapter.merge().result()
    other = Adapter(provider, "first", "some/model", provider.keep({"adapter_config.json": b"{ }"}))
    with pytest.raises(RunNameTaken, match="adapter: content"):
        other.merge()


def test_what_was_made_can_be_pulled(adapter: Adapter, tmp_path: Path) -> None:
    merged = adapter.merge().result()
    for thing, to in ((adapter, tmp_path / "adapter"), (merged, tmp_path / "model")):
        assert thing.pull(to) == to
        assert not isinstance(thing.artifact, str)
        assert fingerprint(to)[0] == thing.artifact.digest


def test_a_tilde_is_the_users_home(adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert adapter.pull("~/adapter") == tmp_path / "adapter"
    assert adapter.merge().result().pull("~/model") == tmp_path / "model"


def test_leaving_the_block_stops_the_server(adapter: Adapter) -> None:
    with adapter.merge().result().deploy() as endpoint:
        assert endpoint.translate("anything") == "lang:go"
        assert endpoint.run
        assert endpoint.run.record().state == "ready"
    assert endpoint.run.record().state == "cancelled"


def test_a_server_that_somebody_else_started_is_left_up(adapter: Adapter) -> None:
    model = adapter.merge().result()
    with model.deploy() as first:
        with model.deploy() as second:
            assert second.url == first.url
        assert first.run
        assert first.run.record().state == "ready"
    assert first.run.record().state == "cancelled"


def test_a_server_that_was_stopped_is_no_endpoint(adapter: Adapter, provider: FakeProvider) -> None:
    with adapter.merge().result().deploy() as endpoint:
        assert endpoint.run
    with pytest.raises(RunCancelled):
        attach(endpoint.run.ref, provider=provider).result()


def test_the_model_is_asked_as_it_was_trained(server: StubServer, provider: FakeProvider) -> None:
    data = Dataset.from_pairs([("a", "b")], system="Answer in Sourcegraph.")
    with TrainingJob(data, provider).start().result().merge().result().deploy() as endpoint:
        endpoint.translate("anything")
        assert endpoint.run
        again = attach(endpoint.run.ref, provider=provider).result()
        assert isinstance(again, Endpoint)
        again.translate("anything")
    for request in server.asked[-2:]:
        assert request.body["messages"][0] == {"role": "system", "content": "Answer in Sourcegraph."}


def test_deploying_passes_on_how_to_serve_and_how_to_ask(provider: FakeProvider, server: StubServer) -> None:
    model = MergedModel(provider, "first", "some/model")
    endpoint = model.deploy(ServeConfig(model_name="mine"), detached=True, name="Ours", max_tokens=7)
    endpoint.translate("anything")
    [task] = provider.submitted
    assert isinstance(task, Serve)
    assert (task.config.model_name, task.detached) == ("mine", True)
    assert endpoint.name == "Ours"
    assert (server.asked[0].body["model"], server.asked[0].body["max_tokens"]) == ("mine", 7)


def test_a_server_that_does_not_come_up_is_not_left_running() -> None:
    def script(task: Task, attempt: int) -> Iterable[Event]:
        return [Log("loading"), Failed("port 8000 is in use")]

    provider = FakeProvider(script)
    with pytest.raises(RunFailed, match="port 8000 is in use"):
        MergedModel(provider, "first", "some/model").deploy()
    assert [record.state for record in provider.runs()] == ["failed"]


def test_an_interrupted_deployment_stops_the_server() -> None:
    def script(task: Task, attempt: int) -> Iterator[Event]:
        yield Log("loading")
        raise KeyboardInterrupt

    provider = FakeProvider(script)
    with pytest.raises(KeyboardInterrupt):
        MergedModel(provider, "first", "some/model").deploy()
    assert [record.state for record in provider.runs()] == ["cancelled"]


def test_an_untuned_model_is_a_hub_id_or_a_pushed_folder(provider: FakeProvider, tmp_path: Path) -> None:
    assert MergedModel.untuned("some/model", provider).artifact == "some/model"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    pushed = MergedModel.untuned(str(tmp_path / "model"), provider).artifact
    assert not isinstance(pushed, str)
    assert pushed.digest == fingerprint(tmp_path / "model")[0]


def test_a_hub_id_cannot_be_pulled(provider: FakeProvider, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="some/model is a hub id"):
        MergedModel.untuned("some/model", provider).pull(tmp_path / "model")


def test_adapters_are_served_beside_their_base(provider: FakeProvider, server: StubServer) -> None:
    base = MergedModel.untuned("some/model", provider)
    others = [
        Adapter(provider, name, "some/model", provider.keep({"adapter_config.json": name.encode()}))
        for name in ("a", "b")
    ]
    others[1] = attrs.evolve(others[1], system="Be brief.")
    with base.deploy(adapters=others) as endpoint:
        for name in ("b", "a"):
            endpoint.of_model(name).translate("anything")
        endpoint.of_model("b", system="Be long.").translate("anything")
    told = [(asked.body["model"], asked.body["messages"][0]["content"]) for asked in server.asked]
    assert told == [("b", "Be brief."), ("a", SYSTEM_PROMPT), ("b", "Be long.")]
    [task] = provider.submitted
    assert isinstance(task, Serve)
    assert [(one.name, one.artifact) for one in task.adapters] == [(o.name, o.artifact) for o in others]


def test_another_adapter_under_a_name_is_another_server(provider: FakeProvider) -> None:
    base = MergedModel.untuned("some/model", provider)
    first, second = (
        Adapter(provider, "a", "some/model", provider.keep({"adapter_config.json": content}))
        for content in (b"1", b"2")
    )
    with base.deploy(adapters=[first]), pytest.raises(RunNameTaken, match="adapters"):
        base.serve(adapters=[second])


def test_an_adapter_of_another_model_is_refused_before_anything_is_submitted(provider: FakeProvider) -> None:
    base = MergedModel.untuned("some/model", provider)
    foreign = Adapter(provider, "a", "other/model", provider.keep({"adapter_config.json": b"1"}))
    with pytest.raises(ConfigError, match="trained on another model"):
        base.deploy(adapters=[foreign])
    elsewhere = FakeProvider()
    elsewhere.name = "elsewhere"
    with pytest.raises(ConfigError, match="lies at elsewhere, not at fake"):
        base.deploy(adapters=[attrs.evolve(foreign, base="some/model", provider=elsewhere)])
    llm = Adapter(provider, "llm", "some/model", provider.keep({"adapter_config.json": b"1"}))
    with pytest.raises(ConfigError, match="cannot both be called 'llm'"):
        base.deploy(adapters=[llm])
    assert provider.submitted == []
