"""Endpoints at Modal: cold, busy, broken, idle and stopped; the worker needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from attrs import evolve
from loopback.client import Loopback
from modal_proto.api_pb2 import APP_STATE_STOPPED
from places import kill_worker, make_provider, wait_for, workers_of

from nls_sdk.artifacts import Artifact
from nls_sdk.endpoint import Endpoint
from nls_sdk.errors import EndpointError, EndpointUnavailable, ProviderError, RunFailed
from nls_sdk.events import Failed, Log, Ready, dump_event
from nls_sdk.models import MergedModel
from nls_sdk.retry import retry
from nls_sdk.serve_config import ServeConfig
from nls_sdk.tasks import Serve, Task, dump_task
from nls_sdk_modal import ModalProvider

pytestmark = pytest.mark.usefixtures("quick_worker")


def model(provider: ModalProvider, folder: Path, name: str = "quick") -> MergedModel:
    made = folder / f"model-{name}"
    made.mkdir()
    (made / "weights").write_text(name)
    return MergedModel(provider, name, provider.push(made))


def model_digest(provider: ModalProvider) -> str:
    [task] = [record.task for record in provider.runs()]
    assert isinstance(task, Serve)
    assert isinstance(task.model, Artifact)
    return task.model.digest


def token_of(provider: ModalProvider) -> str:
    """What the proxy token of its endpoint is called."""
    return f"nls-sdk default {provider.options.volume} {provider.options.serve_app}"


@pytest.mark.parametrize("router", ["server", "web_function"])
def test_an_endpoint_from_cold_to_stopped(loopback: Loopback, tmp_path: Path, router: str) -> None:
    provider = make_provider(router=router, scaledown_window=2)
    endpoint = model(provider, tmp_path).deploy(detached=True)
    app = provider.options.serve_app
    with endpoint:
        first = endpoint.translate("a question")
        assert first.startswith("repo:")
        [tags] = [a["tags"] for a in loopback.state()["apps"].values() if a["name"] == app]
        served = model_digest(provider)
        assert tags == {
            "managed-by": "nls-sdk",
            "nls-volume": provider.options.volume,
            "nls-run": "quick.serve",
            "nls-attempt": "1",
            "nls-model": served[:32],
        }
        assert endpoint.models() == ["llm", f"quick.serve@{served[:12]}"]
        [machine] = loopback.containers(app=app)
        assert machine["scaling"] == [0, 1, 2], (
            "none is kept warm, no more than one is paid for, and not for long"
        )
        # Nobody asks for a while: the machine goes, the endpoint stays, and comes back for the next question.
        wait_for(lambda: not loopback.containers(app=app))
        assert provider.runs()[0].state == "ready"
        url = endpoint.url.removesuffix("/v1")
        assert router != "server" or httpx.get(f"{url}/health", trust_env=False).status_code == 503
        assert endpoint.translate("a question") == first
        assert len(loopback.containers(alive=False, app=app)) >= 2
    assert loopback.containers(app=app) == []
    assert provider.runs()[0].state == "cancelled"
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 404


def test_the_key_is_asked_for_and_told_nowhere(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    with model(provider, tmp_path).deploy() as endpoint:
        key = provider.api_key("quick.serve")
        assert key == endpoint.api_key
        assert key
        told = [dump_event(event) for event in provider.events("quick.serve")]
        assert not [text for text in told if key in text]
        assert "***" in " ".join(told)
        stranger = Endpoint(endpoint.url, api_key="another", cold_timeout=60.0)
        with pytest.raises(Exception, match="401"):
            stranger.translate("a question")
        # From another process of the same account.
        options = provider.options
        other = make_provider(volume=options.volume, app=options.app, serve_app=options.serve_app)
        assert other.api_key("quick.serve") == key


@pytest.mark.parametrize("router", ["server", "web_function"])
def test_a_proxy_token_keeps_strangers_from_starting_a_machine(
    loopback: Loopback, tmp_path: Path, router: str
) -> None:
    provider = make_provider(router=router, proxy_auth=True, scaledown_window=2)
    app = provider.options.serve_app
    with model(provider, tmp_path).deploy() as endpoint:
        assert loopback.state()["proxy_tokens"].popitem()[1] == token_of(provider)
        assert endpoint.translate("a").startswith("repo:")
        wait_for(lambda: not loopback.containers(app=app))
        assert httpx.get(f"{endpoint.url}/models", trust_env=False).status_code == 401
        with pytest.raises(EndpointError, match="401"):
            Endpoint(endpoint.url, api_key="wk-1.ws-another").translate("a question")
        time.sleep(0.3)
        assert not loopback.containers(app=app), "a stranger's request started a machine"
        assert not [e for e in provider.events("quick.serve") if (endpoint.api_key or "") in dump_event(e)]
    assert loopback.state()["proxy_tokens"] == {}


@pytest.mark.parametrize("broken", [False, True])
def test_what_does_not_come_back_from_a_snapshot_is_started_afresh(
    loopback: Loopback, tmp_path: Path, broken: bool
) -> None:
    provider = make_provider(snapshot=True, gpu="")
    if broken:
        loopback.faults({"rpc": "ContainerCheckpoint", "kind": "broken"})
    with model(provider, tmp_path).deploy() as endpoint:
        assert endpoint.translate("a").startswith("repo:")
        [container] = loopback.containers(app=provider.options.serve_app)
        assert ("starting afresh" in Path(container["log"]).read_text()) == broken
        assert [e for e in provider.events("quick.serve") if isinstance(e, Ready)]


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    provider = make_provider(concurrency=1)
    with model(provider, tmp_path, "slow").deploy() as endpoint, ThreadPoolExecutor(3) as askers:
        with pytest.raises(EndpointUnavailable) as caught:
            list(askers.map(endpoint.translate, ["a", "b", "c"]))
        assert caught.value.status == 429
        answers = list(askers.map(lambda q: retry(lambda: endpoint.translate(q)), ["a", "b", "c"]))
        assert len(set(answers)) == 3


def test_a_server_that_breaks_tells_its_last_words_and_is_not_started_again(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    begun = time.monotonic()
    with pytest.raises(RunFailed, match="no room for the weights"):
        model(provider, tmp_path, "broken").deploy()
    assert time.monotonic() - begun < 60
    assert provider.runs()[0].state == "failed"
    wait_for(lambda: not loopback.containers(app=provider.options.serve_app))
    deployed = [a for a in loopback.state()["apps"].values() if a["name"] == provider.options.serve_app]
    assert [a["state"] for a in deployed] == [APP_STATE_STOPPED], (
        "the app is stopped, so that no request wakes it"
    )


def test_a_server_that_never_answers_is_given_up(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(startup_timeout=2, queue_timeout=4)
    with pytest.raises(RunFailed, match=r"not ready after|none of them got ready"):
        model(provider, tmp_path, "mute").deploy()
    assert loopback.containers(app=provider.options.serve_app) == []


def test_a_second_endpoint_needs_a_name_of_its_own(tmp_path: Path, provider: ModalProvider) -> None:
    with model(provider, tmp_path).deploy() as first:
        another = model(provider, tmp_path, "another")
        with pytest.raises(ProviderError, match=r"quick\.serve is up") as caught:
            another.deploy()
        assert "serve_app=" in caught.value.hint
        options = provider.options
        beside = make_provider(volume=options.volume, app=options.app)
        with evolve(another, provider=beside).deploy() as second:
            assert first.translate("a") != second.translate("a")


def test_a_server_ends_with_its_owner(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(lease=6.0)
    run = model(provider, tmp_path).serve(ServeConfig())
    endpoint = run.result()
    time.sleep(7)
    assert provider.runs()[0].state == "ready", "its owner lives"
    assert endpoint.translate("a")
    provider._owner.disown("quick.serve")
    options = provider.options
    other = make_provider(volume=options.volume, app=options.app, serve_app=options.serve_app)
    wait_for(lambda: other.runs()[0].state == "cancelled", seconds=20)
    assert other.events("quick.serve")[-1].reason == "its owner is gone"  # type: ignore[union-attr]  # any other event fails here
    assert loopback.containers(app=options.serve_app) == []


def test_a_server_of_two_owners_ends_with_the_second(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider()
    options = {name: getattr(provider.options, name) for name in ("volume", "app", "serve_app", "port")}
    model(provider, tmp_path).serve(ServeConfig()).result()
    [record] = provider.runs()
    command = [sys.executable, "-c", OWN, repr(options), dump_task_text(record.task)]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    assert owner.stdout.readline() == "quick.serve\n"
    provider._owner.leave("quick.serve")
    assert provider.runs()[0].state == "ready", "the other process still owns it"
    owner.communicate("\n", timeout=60)
    assert provider.runs()[0].state == "cancelled"
    assert loopback.containers(app=provider.options.serve_app) == []


def test_a_server_ends_at_once_with_the_process_that_asked_for_it(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    options = {name: getattr(provider.options, name) for name in ("volume", "app", "serve_app", "port")}
    task = Serve(name="quick", model=model(provider, tmp_path).artifact)
    command = [sys.executable, "-c", OWN, repr(options), dump_task_text(task)]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    # It looks at its run again only as it exits, when no thread can be started any more.
    wait_for(lambda: provider.runs() and provider.runs()[0].state == "ready")
    owner.communicate("\n", timeout=60)
    assert provider.runs()[0].state == "cancelled"
    assert loopback.containers(app=provider.options.serve_app) == []


OWN = """
import ast, json, sys
from nls_sdk.tasks import load_task
from nls_sdk_modal import ModalProvider
provider = ModalProvider(device="auto", commit_seconds=0.2, **ast.literal_eval(sys.argv[1]))
print(provider.submit(load_task(json.loads(sys.argv[2]))), flush=True)
sys.stdin.read()
"""


def dump_task_text(task: Task) -> str:
    return json.dumps(dump_task(task))


def test_a_machine_that_dies_is_replaced(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    with model(provider, tmp_path).deploy() as endpoint:
        answer = endpoint.translate("a")
        [container] = loopback.containers(app=provider.options.serve_app)
        loopback.kill(task=container["task"])
        wait_for(lambda: not loopback.containers(app=provider.options.serve_app))
        assert endpoint.translate("a") == answer
        events = provider.events("quick.serve")
        assert len([e for e in events if isinstance(e, Ready)]) == 1
        assert not [e for e in events if isinstance(e, Failed)]
        assert [e for e in events if isinstance(e, Log)]


@pytest.mark.parametrize("how", ["killed", "told"])
def test_an_endpoint_outlives_its_machines_but_not_two_deaths_in_a_row(
    loopback: Loopback, tmp_path: Path, how: str
) -> None:
    provider = make_provider(scaledown_window=2)
    app = provider.options.serve_app

    def die() -> None:
        wait_for(lambda: workers_of("quick.serve"))
        if how == "killed":
            kill_worker("quick.serve")
        else:
            with pytest.raises(EndpointError):
                endpoint.translate("break")
        wait_for(lambda: not loopback.containers(app=app))

    with model(provider, tmp_path).deploy() as endpoint:
        answer = endpoint.translate("a")
        die()
        assert endpoint.translate("a") == answer
        wait_for(lambda: not loopback.containers(app=app))  # that one was let go, as nobody asked
        assert endpoint.translate("a") == answer
        die()
        assert provider.runs()[0].state == "ready"
        assert endpoint.translate("a") == answer
        die()
        wait_for(lambda: provider.runs()[0].state == "failed")
    *_, said, end = provider.events("quick.serve")
    assert isinstance(said, Log)
    assert said.text.endswith("The next request starts another machine.")
    assert isinstance(end, Failed)
    assert end.message.endswith("It died so 2 times without getting further.")


def test_a_server_of_another_model_is_another_run(tmp_path: Path, provider: ModalProvider) -> None:
    first = model(provider, tmp_path)
    with first.deploy() as endpoint:
        answer = endpoint.translate("a")
    other = model(provider, tmp_path, "other")
    task = Serve(name="quick", model=other.artifact)
    assert provider.submit(task) == "quick.serve"
    wait_for(lambda: provider.runs()[0].state == "ready")
    assert provider.runs()[0].task == task
    with MergedModel(provider, "quick", other.artifact).deploy() as again:
        assert again.translate("a") != answer
    provider.cancel("quick.serve")
