"""The events of an attempt: each of its containers writes a log of its own, and readers put them together.

A Volume keeps the last writer's file and not what two wrote into it, so that a file has one writer alone.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from attrs import evolve

from nls_sdk.events import Event, Terminal, dump_event, load_event

E = TypeVar("E", bound=Event)


def read_log(data: bytes) -> list[Event]:
    """The events of a log, up to the first line that is torn or is none."""
    events: list[Event] = []
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            events.append(load_event(line.decode()))
        except ValueError:
            break
    return events


def read_logs(logs: Iterable[bytes], *, after: int) -> list[Event]:
    """The events of all containers by their time, numbered on; the first end that one told comes last.

    Numbers do not say which container told what. They only ever grow, whatever is found between later: who
    has read up to a number misses no end.

    Args:
        logs: What each container wrote.
        after: Number of the last event of the earlier attempts.
    """
    told = list(heapq.merge(*map(read_log, logs), key=lambda event: event.time))
    ends = [event for event in told if isinstance(event, Terminal)]
    told = [event for event in told if not isinstance(event, Terminal)] + ends[:1]
    return [evolve(event, seq=seq) for seq, event in enumerate(told, after + 1)]


class EventLog:
    """Appends to a container's log, opening it anew each time: a commit must find no open file.

    Attributes:
        events: What the attempt had told before.
    """

    def __init__(self, folder: Path, name: str, *, after: int = 0) -> None:
        """Go on where earlier containers of the attempt left off, as far as their logs are known here.

        Args:
            folder: The logs of all containers.
            name: This container's.
            after: The number after which an empty log goes on.
        """
        self._path = folder / f"{name}.jsonl"
        self.events = read_logs((path.read_bytes() for path in folder.glob("*.jsonl")), after=after)
        self._seq = self.events[-1].seq if self.events else after
        self._time = max((event.time for event in self.events), default=0.0)
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, event: E) -> E:
        """Number the event, stamp it with the time, and store it; time never runs back."""
        self._seq += 1
        self._time = max(self._time, time.time())
        stored = evolve(event, seq=self._seq, time=self._time)
        with self._path.open("ab") as file:
            file.write(dump_event(stored).encode() + b"\n")
        return stored
