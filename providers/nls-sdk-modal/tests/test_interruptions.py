"""Jobs at Modal when something is taken away: machines, workers, requests, commits, clients."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback.client import Loopback
from modal.exception import ConflictError, Error, InvalidError, ServiceError
from places import make_provider, wait_for
from quick_jobs import adapter, finish, steps_of, training, undisturbed

from nls_sdk.errors import NlsError, ProviderError, ProviderUnavailable
from nls_sdk.events import Failed, Log, Progress
from nls_sdk.retry import retry
from nls_sdk_modal import ModalProvider
from nls_sdk_modal.account import speaking_to_modal

pytestmark = pytest.mark.usefixtures("quick_worker")


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
        wait_for(lambda before=before: len(steps_of(list(provider.events(run_id)))) > before)  # type: ignore[misc]  # a default is how it is bound
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


def test_what_modal_refuses_for_good_is_an_error_that_no_retry_can_help() -> None:
    with pytest.raises(ProviderError, match="Environment 'nowhere' not found") as caught:
        make_provider(environment="nowhere").reap()
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [(ServiceError("busy"), True), (ConflictError("aborted"), True), (InvalidError("no such field"), False)],
)
def test_whether_a_retry_can_help_follows_from_what_modal_answers(answer: Error, retryable: bool) -> None:
    with pytest.raises(ProviderError, match=str(answer)) as caught, speaking_to_modal("asking"):
        raise answer
    assert caught.value.retryable == retryable


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


CLIENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from nls_sdk_modal import ModalProvider
from nls_sdk_modal.account import speaking_to_modal
from quick_jobs import training
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


def test_every_error_is_one_of_ours(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "quick")
    loopback.faults({"rpc": "FunctionMap", "kind": "unavailable", "times": 1000})
    with pytest.raises(NlsError):
        provider.submit(task)
    loopback.faults()
    assert provider.runs()[0].state == "failed"
    assert adapter(finish(provider, provider.submit(task)))
