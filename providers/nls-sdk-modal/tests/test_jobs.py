"""Jobs at Modal under faults, with a worker that needs no torch: its result shows a step that went wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from loopback.client import Loopback
from places import make_provider, wait_for

from nls_sdk import Recipe
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.errors import ConfigError, NlsError, ProviderUnavailable
from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Succeeded
from nls_sdk.retry import retry
from nls_sdk.tasks import Merge, Train
from nls_sdk_modal import ModalProvider

QUICK_WORKER = Path(__file__).parent / "quick_worker"


@pytest.fixture(autouse=True)
def quick(loopback: Loopback) -> Iterator[None]:
    loopback.settings(overlay=str(QUICK_WORKER))
    yield
    loopback.faults()
    loopback.settings(overlay="", clock_skew=0.0, cold_seconds=0.0)


@pytest.fixture
def train(provider: ModalProvider, tmp_path: Path) -> Train:
    return training(provider, tmp_path, "quick")


def training(provider: ModalProvider, folder: Path, name: str, steps: int = 12) -> Train:
    data = folder / "data.jsonl"
    data.write_text('{"messages": []}\n' * 10)
    recipe = Recipe(max_steps=steps, checkpoint_steps=2)
    return Train(name=name, base="some/model", data=retry(lambda: provider.push(data)), recipe=recipe)


def finish(provider: ModalProvider, run_id: str, *, seconds: float = 90.0) -> list[Event]:
    """All events, gathered as a client does, poll by poll; each comes once."""
    told: list[Event] = []
    deadline = time.monotonic() + seconds
    while not (told and isinstance(told[-1], Succeeded | Failed | Cancelled)):
        assert time.monotonic() < deadline, told
        after = told[-1].seq if told else 0
        told += retry(lambda after=after: provider.events(run_id, after=after))  # type: ignore[misc]
        time.sleep(0.1)
    assert [event.seq for event in told] == list(range(told[0].seq, told[0].seq + len(told)))
    assert [event.time for event in told] == sorted(event.time for event in told)
    return told


def adapter(told: list[Event]) -> Artifact:
    assert isinstance(told[-1], Succeeded), told
    return told[-1].outputs["adapter"]


def undisturbed(task: Train, folder: Path) -> str:
    """The digest of the adapter where nothing goes wrong: each step's state is a hash of the one before."""
    state, total = task.key, task.recipe.max_steps
    for step in range(1, total + 1):
        state = hashlib.sha256(f"{state}{step}/{total}".encode()).hexdigest()
    expected = folder / "expected"
    expected.mkdir(exist_ok=True)
    (expected / "weights").write_text(state)
    return fingerprint(expected)[0]


def steps_of(told: list[Event]) -> list[int]:
    return [event.step for event in told if isinstance(event, Progress)]


def test_a_preempted_run_goes_on_where_it_was(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(retries=0)
    task = training(provider, tmp_path, "slow")
    run_id = provider.submit(task)
    wait_for(lambda: [e for e in provider.events(run_id) if isinstance(e, Progress) and e.step >= 5])
    loopback.preempt(function="train")
    told = finish(provider, run_id)
    assert adapter(told).digest == undisturbed(task, tmp_path), "the schedule is another one"
    resumed = [event.text for event in told if isinstance(event, Log)]
    assert any("resuming from the checkpoint of step" in text for text in resumed)
    assert {event.total for event in told if isinstance(event, Progress)} == {12}
    assert len(steps_of(told)) < 2 * 12, "it began anew"
    assert len(loopback.containers(alive=False, app=provider.options.app)) == 2


def test_a_killed_worker_is_tried_again(tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "mortal")
    told = finish(provider, provider.submit(task))
    assert adapter(told).digest == undisturbed(task, tmp_path)
    assert [event for event in told if isinstance(event, Log) and "was killed (SIGKILL)" in event.text]


def test_a_worker_that_always_dies_costs_two_tries(tmp_path: Path, provider: ModalProvider) -> None:
    told = finish(provider, provider.submit(training(provider, tmp_path, "deadly")))
    end = told[-1]
    assert isinstance(end, Failed)
    assert "2 times without getting further" in end.message
    assert "per_device_batch_size" in end.hint


def test_a_killed_container_is_tried_again_and_then_given_up(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(retries=1)
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=200))
    for _ in range(2):
        before = len(steps_of(list(provider.events(run_id))))
        wait_for(lambda before=before: len(steps_of(list(provider.events(run_id)))) > before)  # type: ignore[misc]
        loopback.kill(function="train")
    end = finish(provider, run_id)[-1]
    assert isinstance(end, Failed)
    assert "Modal gave it up" in end.message
    assert "resumes" in end.hint
    assert provider.runs()[0].state == "failed"


def test_torn_and_slow_commits_lose_nothing(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(retries=0)
    loopback.faults(
        {"rpc": "VolumeCommit", "kind": "torn", "times": 3},
        {"rpc": "VolumeCommit", "kind": "slow", "seconds": 1.0, "times": 2},
    )
    task = training(provider, tmp_path, "slow")
    run_id = provider.submit(task)
    wait_for(lambda: [e for e in provider.events(run_id) if isinstance(e, Progress) and e.step >= 5])
    loopback.faults({"rpc": "VolumeCommit", "kind": "torn", "times": 1})
    loopback.preempt(function="train")
    assert adapter(finish(provider, run_id)).digest == undisturbed(task, tmp_path)


def test_dropped_streams_and_refusals_are_survived(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider()
    loopback.faults(rate=0.08, http_rate=0.05, seed=5)
    task = training(provider, tmp_path, "quick")
    told = finish(provider, retry(lambda: provider.submit(task)))
    assert loopback.state()["struck"]
    loopback.faults()
    assert adapter(told).digest == undisturbed(task, tmp_path)


def test_what_cannot_be_reached_is_an_error_that_a_retry_can_help(loopback: Loopback) -> None:
    provider = make_provider()
    loopback.faults({"rpc": "VolumeListFiles2", "kind": "unavailable", "times": 1000})
    with pytest.raises(ProviderUnavailable, match="Modal did not answer while listing runs"):
        provider.runs()


def test_clocks_that_disagree_change_nothing(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    loopback.settings(clock_skew=-7200.0)
    told = finish(provider, provider.submit(training(provider, tmp_path, "quick")))
    adapter(told)
    [record] = provider.runs()
    assert record.state == "succeeded"
    assert record.updated >= record.created
    assert 0 < (record.seconds or 0) < 60


def test_a_limit_of_time_stops_the_job(loopback: Loopback, tmp_path: Path) -> None:
    limited = make_provider(max_duration=3)
    run_id = limited.submit(training(limited, tmp_path, "slow", steps=1000))
    end = finish(limited, run_id)[-1]
    assert isinstance(end, Cancelled)
    assert end.reason == "max_duration of 3 s is reached"
    [record] = limited.runs()
    assert 3 <= (record.seconds or 0) < 8
    wait_for(lambda: not loopback.containers(app=limited.options.app), seconds=10)


def test_a_limit_of_cost_stops_the_job(tmp_path: Path) -> None:
    limited = make_provider(max_cost=0.003)
    run_id = limited.submit(training(limited, tmp_path, "slow", steps=1000))
    end = finish(limited, run_id)[-1]
    assert isinstance(end, Cancelled)
    assert end.reason == "max_cost of $0.003 is reached"
    [record] = limited.runs()
    assert 0.003 <= (record.dollars or 0) < 0.01
    dear = make_provider(max_cost=1, gpu="Z9000")
    task = training(dear, tmp_path, "quick")
    with pytest.raises(ConfigError, match="no price is known"):
        dear.submit(task)


def test_cancelling_leaves_no_container(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=1000))
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    provider.cancel(run_id)
    assert loopback.containers(app=provider.options.app) == []
    assert isinstance(provider.events(run_id)[-1], Cancelled)


def test_the_second_push_sends_nothing(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "weights").write_bytes(os.urandom(1 << 20))
    provider.push(folder)
    sent, puts = loopback.state()["uploaded"], loopback.state()["rpcs"]["VolumePutFiles2"]
    provider.push(folder)
    make_provider(volume=provider.options.volume).push(folder)
    assert loopback.state()["uploaded"] == sent
    assert loopback.state()["rpcs"]["VolumePutFiles2"] == puts


def test_looking_starts_no_container(loopback: Loopback, train: Train, provider: ModalProvider) -> None:
    finish(provider, provider.submit(train))
    before = len(loopback.containers(alive=False))
    another = make_provider(**{k: getattr(provider.options, k) for k in ("app", "serve_app", "volume")})
    assert [record.state for record in another.runs()] == ["succeeded"]
    assert another.events(train.run_id) == provider.events(train.run_id)
    another.estimate(train)
    another.check()
    assert len(loopback.containers(alive=False)) == before


CLIENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from nls_sdk_modal import ModalProvider
from test_jobs import training
provider = ModalProvider(app=sys.argv[2], volume=sys.argv[3], device="auto", commit_seconds=0.2)
print(provider.submit(training(provider, Path(sys.argv[4]), "slow")), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("when", [0.5, 1.5, 2.0, 4.0])
def test_a_client_that_is_killed_loses_nothing(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider, when: float
) -> None:
    options = provider.options
    tests = str(Path(__file__).parent)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, tests, options.app, options.volume, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout
    if when == 4.0:
        assert client.stdout.readline() == "slow.train\n"
        when = 1.0
    time.sleep(when)
    client.kill()
    client.wait()
    # The next client asks for the same, and gets the one run.
    task = training(provider, tmp_path, "slow")
    told = finish(provider, provider.submit(task))
    if isinstance(told[-1], Failed):
        assert "client ended before it was started" in told[-1].message
        told = finish(provider, provider.submit(task))
    assert adapter(told).digest == undisturbed(task, tmp_path)
    assert [record.run_id for record in provider.runs()] == ["slow.train"]


def test_secrets_are_not_told(tmp_path: Path, provider: ModalProvider) -> None:
    told = finish(provider, provider.submit(training(provider, tmp_path, "leaky")))
    assert [event.text for event in told if isinstance(event, Log)] == ["the token is ***"]


def test_code_that_changes_builds_nothing(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    from nls_sdk_modal import app, deploying

    finish(provider, provider.submit(training(provider, tmp_path, "quick")))
    images = loopback.state()["images"]
    version = app.code_version(provider.options, ["huggingface-secret"])
    apps = [a for a in loopback.state()["apps"].values() if a["name"] == provider.options.app]
    assert [a["tags"] for a in apps] == [{"managed-by": "nls-sdk", "nls-code": version}]
    assert [a["deployed"] for a in apps] == [1]
    finish(provider, provider.submit(training(provider, tmp_path, "again")))
    assert [
        a["deployed"] for a in loopback.state()["apps"].values() if a["name"] == provider.options.app
    ] == [1]
    deploying._deployed.clear()
    app.jobs_app(evolve(provider.options, timeout=999), ["huggingface-secret"]).deploy()
    assert loopback.state()["images"] == images, "an image was built again"
    heavy = [line for lines in images.values() for line in lines if "torch" in line]
    assert heavy
    assert all("==" in line for line in heavy)


def test_a_merge_reads_what_a_training_wrote(tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "quick")
    trained = adapter(finish(provider, provider.submit(task)))
    told = finish(provider, provider.submit(Merge(name="quick", base=task.base, adapter=trained)))
    assert isinstance(told[-1], Succeeded)
    folder = provider.pull(told[-1].outputs["model"], tmp_path / "model")
    assert (folder / "weights").read_text()


def test_options_are_checked_before_anything_is_sent() -> None:
    for options, said in (
        ({"gpuu": "H100"}, "Did you mean 'gpu'"),
        ({"max_cost": -1}, "0 or more dollars"),
        ({"retries": "3"}, "a whole number"),
        ({"volume": "a/b"}, "cannot be a name"),
    ):
        with pytest.raises(ConfigError) as caught:
            ModalProvider(**options)
        assert said in str(caught.value)


def test_every_error_is_one_of_ours(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "quick")
    loopback.faults({"rpc": "FunctionMap", "kind": "unavailable", "times": 1000})
    with pytest.raises(NlsError):
        provider.submit(task)
    loopback.faults()
    assert provider.runs()[0].state == "failed"
    assert adapter(finish(provider, provider.submit(task)))
