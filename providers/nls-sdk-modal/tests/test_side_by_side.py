"""Several containers of one attempt at once: none writes over another, and one limit is for all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback.client import Loopback
from loopback.volumes import View
from places import make_provider, wait_for
from test_endpoints import model

from nls_sdk.events import Cancelled, Event, Log, dump_event
from nls_sdk_modal.layout import Attempt, Machine, dump
from nls_sdk_modal.log import EventLog, read_logs


def view(volume: Path, here: Path) -> View:
    """A container's mounted copy of a Volume, as it is at the container's start."""
    here.mkdir()
    made = View(here, volume)
    made.reload()
    return made


def texts(volume: Path, folder: str) -> list[str]:
    logs = [path.read_bytes() for path in (volume / folder).iterdir()]
    return [event.text for event in read_logs(logs, after=0) if isinstance(event, Log)]


def test_what_two_containers_tell_at_once_is_all_there_in_order_of_time(tmp_path: Path) -> None:
    volume, folder = tmp_path / "volume", Attempt("quick.serve", 1).events
    volume.mkdir()
    views = [view(volume, tmp_path / name) for name in ("ta-1", "ta-2")]
    logs = [EventLog(each.here / folder, each.here.name) for each in views]
    for number in range(6):
        logs[number % 2].append(Log(str(number)))
        views[number % 2].commit()
    assert texts(volume, folder) == [str(number) for number in range(6)]
    # A third one comes, and goes on from there.
    third = view(volume, tmp_path / "ta-3")
    EventLog(third.here / folder, "ta-3").append(Log("6"))
    third.commit()
    assert texts(volume, folder) == [str(number) for number in range(7)]


def written(events: list[Event]) -> bytes:
    return "".join(f"{dump_event(event)}\n" for event in events).encode()


def growing(rng: random.Random, logs: list[list[Event]]) -> Iterator[list[bytes]]:
    """What a reader finds, look by look, as containers commit more of their logs: late ones too."""
    shown = [0 for _ in logs]
    while shown != [len(log) for log in logs]:
        behind = rng.choice([i for i, log in enumerate(logs) if shown[i] < len(log)])
        shown[behind] += rng.randint(1, 3)
        shown = [min(count, len(log)) for count, log in zip(shown, logs, strict=True)]
        yield [written(log[:count]) for count, log in zip(shown, logs, strict=True)]


@pytest.mark.parametrize("seed", range(20))
def test_who_reads_along_misses_no_end_whatever_is_committed_late(seed: int) -> None:
    rng = random.Random(seed)
    logs: list[list[Event]] = []
    for _ in range(3):
        times = sorted(rng.random() for _ in range(rng.randint(1, 8)))
        logs.append([Log("a line", time=time) for time in times])
    logs[0].append(Cancelled("the limit is reached", time=0.5))
    read: list[Event] = []
    told: list[Event] = []
    for found in growing(rng, logs):
        told = read_logs(found, after=4)
        assert [event.seq for event in told] == list(range(5, 5 + len(told)))
        if not any(isinstance(event, Cancelled) for event in read):
            read += [event for event in told if event.seq > (read[-1].seq if read else 4)]
    assert isinstance(read[-1], Cancelled)
    assert isinstance(told[-1], Cancelled)


@pytest.mark.usefixtures("quick_worker")
def test_a_limit_is_one_for_all_containers_of_an_endpoint(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider(max_duration=300, max_containers=2)
    with model(provider, tmp_path).deploy() as endpoint:
        assert endpoint.translate("a")
        another = Machine(task="ta-other", call_id="", started=0.0, seconds=299.0)
        provider._volume.write(f"{Attempt('quick.serve', 1).containers}/ta-other.json", dump(another))
        wait_for(lambda: provider.runs()[0].state == "cancelled")
        end = provider.events("quick.serve")[-1]
        assert isinstance(end, Cancelled)
        assert end.reason == "max_duration of 300 s is reached"
        assert 300 < (provider.runs()[0].seconds or 0) < 360
        assert loopback.containers(app=provider.options.serve_app) == []


@pytest.mark.usefixtures("quick_worker")
def test_a_later_container_of_a_server_adds_nothing_to_its_story(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider()
    with model(provider, tmp_path).deploy() as endpoint:
        answer, told = endpoint.translate("a"), provider.events("quick.serve")
        loopback.kill(function="vllm_serve")
        wait_for(lambda: not loopback.containers(app=provider.options.serve_app))
        assert endpoint.translate("a") == answer
        attempt = loopback.volume(provider.options.volume) / Attempt("quick.serve", 1).folder
        wait_for(lambda: len(list((attempt / "containers").iterdir())) == 2)
        assert provider.events("quick.serve") == told
        assert len(list((attempt / "events").iterdir())) == 1
