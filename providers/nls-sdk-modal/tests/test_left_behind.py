"""What could be left at Modal by runs that ended, and is not: containers, apps, calls, proxy tokens."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import modal
import pytest
from loopback.client import Loopback
from modal_proto.api_pb2 import APP_STATE_DEPLOYED, APP_STATE_STOPPED
from places import make_provider, wait_for
from quick_jobs import adapter, finish, steps_of, training

from nls_sdk.errors import ProviderError, ProviderUnavailable
from nls_sdk.events import Failed, dump_event
from nls_sdk.models import MergedModel
from nls_sdk.providers import ENDED
from nls_sdk.tasks import Serve
from nls_sdk_modal import ModalProvider

pytestmark = pytest.mark.usefixtures("quick_worker")


def server(provider: ModalProvider, folder: Path, name: str = "quick") -> Serve:
    made = folder / f"model-{name}"
    made.mkdir(exist_ok=True)
    (made / "weights").write_text(name)
    return Serve(name=name, model=provider.push(made), detached=True)


def own_tokens(loopback: Loopback, provider: ModalProvider) -> list[str]:
    volume = provider.options.volume
    return [name for name in loopback.state()["proxy_tokens"].values() if f" {volume} " in name]


def deployed(loopback: Loopback, prefix: str) -> list[str]:
    apps = loopback.state()["apps"].values()
    return [a["name"] for a in apps if a["name"].startswith(prefix) and a["state"] == APP_STATE_DEPLOYED]


def lose_sight_of(provider: ModalProvider, run_id: str) -> None:
    """Declare a run's end as a reader does that takes it for lost; its container knows nothing of that."""
    last = provider.events(run_id)[-1].seq
    end = Failed("Modal gave it up", seq=last + 1, time=time.time())
    assert provider._volume.write_new(f"runs/{run_id}/attempts/1/end.json", dump_event(end).encode())
    assert provider.runs()[0].state == "failed"


def test_cancelling_ends_what_still_runs_of_a_run_that_was_taken_for_lost(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=1000))
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    lose_sight_of(provider, run_id)
    assert loopback.containers(app=provider.options.app)
    provider.cancel(run_id)
    assert loopback.containers(app=provider.options.app) == []
    assert provider.runs()[0].state == "failed", "its end stays as it was"


def test_a_run_is_not_started_again_beside_itself(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    task = training(provider, tmp_path, "slow", steps=1000)
    run_id = provider.submit(task)
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    lose_sight_of(provider, run_id)
    [first] = loopback.containers(app=provider.options.app)
    provider.submit(task)
    wait_for(lambda: len(loopback.containers(alive=False, app=provider.options.app)) == 2)
    alive = [container["task"] for container in loopback.containers(app=provider.options.app)]
    assert first["task"] not in alive
    provider.cancel(run_id)


def test_reaping_stops_what_no_living_run_of_the_volume_needs(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    MergedModel(provider, "quick", server(provider, tmp_path).model).deploy(detached=True)
    options = provider.options
    assert options.serve_app not in provider.reap().stopped, "it lives"
    shutil.rmtree(loopback.volume(options.volume) / "runs" / "quick.serve")
    stranger = make_provider()
    reaped = stranger.reap()
    assert options.serve_app not in reaped.stopped, "another Volume's runs are told of there"
    assert options.volume in reaped.left[options.serve_app]
    assert loopback.containers(app=options.serve_app)
    assert options.serve_app in provider.reap().stopped
    assert loopback.containers(app=options.serve_app) == []
    assert options.serve_app not in stranger.reap().left


def test_reaping_ends_jobs_that_were_taken_for_lost(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=1000))
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    app = provider.options.app
    reaped = provider.reap()
    assert not [name for name in reaped.stopped if app in name], "it lives"
    lose_sight_of(provider, run_id)
    reaped = provider.reap()
    assert run_id in reaped.stopped
    assert loopback.containers(app=app) == []
    assert deployed(loopback, f"{app}-") == []
    assert not [name for name in provider.reap().stopped if app in name]


def test_clients_with_other_options_do_not_deploy_over_each_other(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    options = provider.options
    other = make_provider(app=options.app, volume=options.volume, timeout=999)
    slow = provider.submit(training(provider, tmp_path, "slow"))
    adapter(finish(other, other.submit(training(other, tmp_path, "quick"))))
    adapter(finish(provider, slow))
    adapter(finish(provider, provider.submit(training(provider, tmp_path, "again"))))
    made = [a for a in loopback.state()["apps"].values() if a["name"].startswith(options.app)]
    assert [a["deployed"] for a in made] == [1, 1]
    assert {a["name"] for a in made} <= {*other.reap().stopped}, "one's own old apps are found"


def test_another_volumes_endpoint_keeps_its_app(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    provider.submit(server(provider, tmp_path))
    stranger = make_provider(serve_app=provider.options.serve_app)
    with pytest.raises(ProviderError, match=f"Volume {provider.options.volume}'s") as caught:
        stranger.submit(server(stranger, tmp_path))
    assert "serve_app=" in caught.value.hint
    assert stranger.runs() == []
    wait_for(lambda: provider.events("quick.serve") and provider.runs()[0].state == "ready")
    provider.cancel("quick.serve")


def test_of_two_endpoints_that_are_deployed_at_once_none_takes_the_others_app(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    options = provider.options
    other = make_provider(volume=options.volume, app=options.app, serve_app=options.serve_app)
    tasks = [server(provider, tmp_path, name) for name in ("one", "two")]
    # Both have looked before either has claimed.
    loopback.faults({"rpc": "VolumePutFiles2", "kind": "slow", "seconds": 1.5, "times": 2})
    with ThreadPoolExecutor(2) as pool:
        submitted = list(map(pool.submit, (provider.submit, other.submit), tasks))
    errors = [each.exception() for each in submitted]
    assert any(isinstance(error, ProviderError) for error in errors)
    living = [record.run_id for record in provider.runs() if record.state not in ENDED]
    assert len(living) == errors.count(None)
    for run_id in living:
        provider.cancel(run_id)


def test_an_endpoint_whose_deploying_fails_half_way_is_withdrawn(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(proxy_auth=True)
    loopback.faults({"rpc": "FunctionGet", "kind": "unavailable", "times": 4})
    with pytest.raises(ProviderUnavailable):
        provider.submit(server(provider, tmp_path))
    state = loopback.state()
    made = [a for a in state["apps"].values() if a["name"] == provider.options.serve_app]
    assert [a["state"] for a in made] == [APP_STATE_STOPPED], "nobody knows of it, and requests wake it"
    assert own_tokens(loopback, provider) == []
    assert provider.runs()[0].state == "failed"


def test_what_cannot_be_taken_back_hides_no_error_and_goes_later(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(proxy_auth=True)
    loopback.faults(
        {"rpc": "FunctionGet", "kind": "unavailable", "times": 4},
        {"rpc": "WebhookTokenDelete", "kind": "unavailable", "times": 1000},
    )
    with pytest.raises(ProviderUnavailable, match=r"while deploying quick\.serve") as caught:
        provider.submit(server(provider, tmp_path))
    assert "deleting a proxy token" in " ".join(caught.value.__notes__)
    assert own_tokens(loopback, provider)
    loopback.faults()
    provider.cancel("quick.serve")
    assert own_tokens(loopback, provider) == []


def test_a_proxy_token_that_cannot_be_used_is_deleted(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(proxy_auth=True)
    loopback.faults({"rpc": "WebhookTokenList", "kind": "unavailable", "times": 4})
    with pytest.raises(ProviderUnavailable, match="the proxy token"):
        provider.submit(server(provider, tmp_path))
    assert own_tokens(loopback, provider) == []


def test_a_proxy_token_goes_with_an_endpoint_that_was_stopped_at_modal(
    loopback: Loopback, tmp_path: Path
) -> None:
    provider = make_provider(proxy_auth=True)
    provider.submit(server(provider, tmp_path))
    assert own_tokens(loopback, provider)
    modal.App.lookup(provider.options.serve_app).stop()
    assert provider.runs()[0].state == "cancelled"
    assert own_tokens(loopback, provider) == []


def test_orphaned_proxy_tokens_of_the_volume_are_reaped(loopback: Loopback) -> None:
    provider = make_provider()
    others = make_provider()
    for each in (provider, others):
        name = f"nls-sdk default {each.options.volume} {each.options.serve_app}"
        modal.Workspace.from_context().proxy_tokens.create(name=name)
    provider.reap()
    assert own_tokens(loopback, provider) == []
    assert own_tokens(loopback, others)
    others.reap()


def test_a_job_that_cannot_be_put_on_record_does_not_go_on(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    task = training(provider, tmp_path, "slow", steps=1000)
    # The claim is two requests: what is lacking, and the file.
    loopback.faults({"rpc": "VolumePutFiles2", "kind": "unavailable", "skip": 2, "times": 1000})
    with pytest.raises(ProviderUnavailable, match=r"while writing runs/slow\.train/attempts/1/call\.json"):
        provider.submit(task)
    loopback.faults()
    assert loopback.containers(alive=False, app=provider.options.app), "it had begun"
    assert loopback.containers(app=provider.options.app) == []


def test_a_job_that_is_cancelled_before_it_has_a_call_does_not_go_on(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    task = training(provider, tmp_path, "slow", steps=1000)
    other = make_provider(app=provider.options.app, volume=provider.options.volume)
    loopback.faults({"rpc": "FunctionMap", "kind": "slow", "seconds": 5.0})
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(provider.submit, task)
        wait_for(other.runs)
        other.cancel("slow.train")
        assert not submitting.done()
        submitting.result()
    assert loopback.containers(app=provider.options.app) == []
    assert provider.runs()[0].state == "cancelled"
