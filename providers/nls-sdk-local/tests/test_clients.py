"""Runs and the processes that ask for them: clients that exit, die, share a server, or come at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import wait_for

from nls_sdk import attach
from nls_sdk.events import Cancelled, Log, Succeeded
from nls_sdk.providers import RunRecord
from nls_sdk.tasks import Serve
from nls_sdk_local import LocalProvider
from nls_sdk_local.process import processes_of

Client = Callable[[str, str], "subprocess.Popen[str]"]


@pytest.fixture
def client(provider: LocalProvider) -> Iterator[Client]:
    script = Path(__file__).with_name("client.py")
    started = []

    def start(command: str, name: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, str(script), str(provider.home), command, name]
        started.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with process:
            pass


def only(provider: LocalProvider) -> RunRecord:
    [record] = provider.runs()
    return record


def test_a_run_outlives_its_client_and_is_found_by_its_reference(
    provider: LocalProvider, client: Client
) -> None:
    assert client("train", "quick").communicate()[0] == "quick.train\n"
    run = attach("local:quick.train", provider=provider)
    told = list(run.events())
    assert isinstance(told[-1], Succeeded)
    assert run.record().state == "succeeded"


def test_a_run_is_cancelled_from_another_process(provider: LocalProvider, client: Client) -> None:
    client("train", "long").wait()
    assert client("cancel", "long.train").wait() == 0
    assert only(provider).state == "cancelled"
    wait_for(lambda: not processes_of(provider.home / "runs" / "long.train"))


def test_a_server_ends_with_its_owner(provider: LocalProvider, client: Client) -> None:
    owner = client("serve", "server")
    wait_for(lambda: provider.runs() and only(provider).state == "ready")
    owner.kill()
    end = wait_for(lambda: only(provider).end)
    assert isinstance(end, Cancelled)
    assert end.reason == "its owner is gone"
    wait_for(lambda: not processes_of(provider.home / "runs" / "server.serve"))


def test_a_server_that_is_shared_ends_with_its_last_owner(provider: LocalProvider, client: Client) -> None:
    first, second = client("serve", "server"), client("serve", "server")
    for process in (first, second):
        assert process.stdout
        assert process.stdout.readline() == "server.serve\n"
    wait_for(lambda: only(provider).state == "ready")
    first.kill()
    first.wait()
    client("cancel", "server.nonsense").wait()
    assert only(provider).state == "ready"
    second.kill()
    assert isinstance(wait_for(lambda: only(provider).end), Cancelled)


def test_a_detached_server_outlives_its_client(provider: LocalProvider, client: Client) -> None:
    owner = client("serve", "server")
    wait_for(lambda: provider.runs() and only(provider).state == "ready")
    provider.submit(Serve(name="server", model="some/model", detached=True))
    owner.kill()
    owner.wait()
    with pytest.raises(AssertionError, match="nothing to see"):
        wait_for(lambda: only(provider).end, seconds=2.5)
    assert only(provider).state == "ready"


def test_clients_that_come_at_once_start_one_run(provider: LocalProvider, client: Client) -> None:
    clients = [client("train", "quick") for _ in range(4)]
    assert [process.communicate()[0] for process in clients] == ["quick.train\n"] * 4
    wait_for(lambda: only(provider).end)
    texts = [event for event in provider.events("quick.train") if isinstance(event, Log)]
    assert len(texts) == 1
    assert not list((provider.home / "runs" / "quick.train").glob("events-*.jsonl"))
