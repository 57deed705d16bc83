"""Runs as they can be told from the Volume alone: no container is started, nothing is asked of one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence

import msgspec
from attrs import evolve, field, frozen

from nls_sdk.events import Cancelled, Event, Failed, Progress, Ready, Succeeded, Terminal, load_event
from nls_sdk.providers import RunRecord, state_of
from nls_sdk.tasks import Serve, Task

from .layout import Asked, Attempt, Call, Machine, parse
from .log import read_logs
from .volume import Entry, RunsVolume

_ATTEMPT = re.compile(r"runs/([^/]+)/attempts/(\d+)/(.+)")
_ENDS = Succeeded | Failed | Cancelled


@frozen
class Seen:
    """The last attempt of a run, as the Volume shows it.

    Attributes:
        attempt: Which.
        asked: What is asked.
        task: The same, as a task.
        call: What Modal calls it; None until that is known.
        told: What it told, in order; ends with how it ended, where that is known.
        machines: The containers it ran on.
        claimed: When it was asked, on the Volume's clock.
        called: When its call was written down, on the same; 0 until it is.
        leases: When each of its clients last gave a sign of life, on the same.
        detached: Whether it outlives its clients, although it was not asked to at first.
    """

    attempt: Attempt
    asked: Asked
    task: Task
    call: Call | None = None
    told: Sequence[Event] = ()
    machines: Sequence[Machine] = ()
    claimed: int = 0
    called: int = 0
    leases: Mapping[str, int] = field(factory=dict)
    detached: bool = False

    @classmethod
    def claimed_only(cls, attempt: Attempt, asked: Asked) -> Seen:
        """An attempt that came no further than its claim."""
        return cls(attempt, asked, asked.read_task())

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.attempt.run_id

    @property
    def end(self) -> Terminal | None:
        """How it ended; None while it goes on."""
        last = self.told[-1] if self.told else None
        return last if isinstance(last, _ENDS) else None

    @property
    def last_sign(self) -> int:
        """When a client of it last gave a sign of life, on the Volume's clock; its claim is the first."""
        return max([self.claimed, *self.leases.values()])

    @property
    def last_seq(self) -> int:
        """Number of its newest event, or of the one before the attempt."""
        return self.told[-1].seq if self.told else self.asked.after

    @property
    def ready(self) -> Ready | None:
        """Where its server answers."""
        return next((event for event in self.told if isinstance(event, Ready)), None)

    @property
    def call_id(self) -> str:
        """Modal's id of its call; a container knows it too, should the client have died before writing it."""
        known = [self.call.call_id] if self.call else []
        return next((each for each in (*known, *(m.call_id for m in self.machines)) if each), "")

    @property
    def seconds(self) -> float:
        """Machine time so far, earlier attempts included, as the containers measured it."""
        return self.asked.spent + self._own_seconds

    @property
    def dollars(self) -> float | None:
        """What that cost, about; None when a price is unknown."""
        price, paid = self.asked.dollars_per_second, self.asked.paid
        return None if price is None or paid is None else paid + price * self._own_seconds

    @property
    def _own_seconds(self) -> float:
        return sum(machine.seconds for machine in self.machines)

    def ended(self, end: Terminal) -> Seen:
        """The same with an end."""
        return evolve(self, told=_before(self.told, end))

    def record(self) -> RunRecord:
        """What is known of the run."""
        last = self.told[-1] if self.told else None
        end, ready = self.end, self.ready
        return RunRecord(
            run_id=self.run_id,
            task=self.task,
            state=state_of(end, ready=ready is not None, told=last is not None),
            created=self.asked.created,
            updated=max(last.time, self.asked.created) if last else self.asked.created,
            progress=next((e for e in reversed(self.told) if isinstance(e, Progress)), self.asked.reached),
            end=end,
            url=ready.url if ready and not end else None,
            seconds=self.seconds,
            dollars=self.dollars,
        )


def see_all(volume: RunsVolume, run_id: str | None = None) -> list[Seen]:
    """The last attempt of every run, or of one; what another version left is passed over."""
    entries = volume.list("runs" if run_id is None else f"runs/{run_id}/attempts")
    last: dict[str, dict[int, list[Entry]]] = {}
    for entry in entries:
        if (match := _ATTEMPT.fullmatch(entry.path)) and not entry.path.endswith("/api-key"):
            last.setdefault(match[1], {}).setdefault(int(match[2]), []).append(entry)
    newest = {run: (max(attempts), attempts[max(attempts)]) for run, attempts in last.items()}
    data = volume.read_all(
        entry for _, files in newest.values() for entry in files if "/leases/" not in entry.path
    )
    found = []
    for run, (number, files) in newest.items():
        with contextlib.suppress(ValueError, KeyError, msgspec.MsgspecError):
            found.append(_see(Attempt(run, number), files, data))
    return found


def _see(attempt: Attempt, files: Sequence[Entry], data: dict[str, bytes]) -> Seen:
    asked: Asked = parse(data[attempt.asked], Asked)
    call: Call | None = parse(data[attempt.call], Call) if attempt.call in data else None
    machines = []
    for content in _below(attempt.containers, data, ending=".json"):
        with contextlib.suppress(msgspec.MsgspecError):
            machines.append(parse(content, Machine))
    logs = _below(attempt.events, data, ending=".jsonl")
    told: Sequence[Event] = [
        evolve(event, url=f"{call.url}/v1") if isinstance(event, Ready) and call else event
        for event in read_logs(logs, after=asked.after)
    ]
    if attempt.end in data:
        end = load_event(data[attempt.end].decode())
        assert isinstance(end, _ENDS)
        # A reader with an old view may have declared what the container had told itself: its own word counts.
        if isinstance(end, Cancelled) or not any(isinstance(event, _ENDS) for event in told):
            told = _before(told, end)
    times = {entry.path: entry.mtime for entry in files}
    return Seen(
        attempt,
        asked,
        asked.read_task(),
        call,
        told,
        machines,
        claimed=times[attempt.asked],
        called=times.get(attempt.call, 0),
        leases={
            path.rpartition("/")[2]: when
            for path, when in times.items()
            if path.startswith(f"{attempt.leases}/")
        },
        detached=attempt.detached in data,
    )


def _below(folder: str, data: Mapping[str, bytes], *, ending: str) -> list[bytes]:
    return [
        content for path, content in data.items() if path.startswith(f"{folder}/") and path.endswith(ending)
    ]


def _before(told: Sequence[Event], end: Terminal) -> list[Event]:
    """The events up to an end that a client declared: what a dying container told later is not part of it."""
    kept = [event for event in told if event.seq < end.seq and not isinstance(event, _ENDS)]
    return [*kept, end]


def is_server(seen: Seen) -> bool:
    """Whether it serves."""
    return isinstance(seen.task, Serve)
