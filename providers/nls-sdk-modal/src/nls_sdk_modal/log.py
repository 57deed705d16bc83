"""The event log of an attempt, as bytes that grow at their end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

from attrs import evolve

from nls_sdk.events import Event, dump_event, load_event

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


class EventLog:
    """Appends to an event log, opening it anew each time: a commit must find no open file."""

    def __init__(self, path: Path, *, after: int = 0) -> None:
        """Go on where an earlier container of the attempt left off, cutting off what is torn.

        Args:
            path: The log.
            after: The number after which an empty log goes on.
        """
        self.path = path
        data = path.read_bytes() if path.exists() else b""
        self.events = read_log(data)
        whole = sum(len(line) for line in data.splitlines(keepends=True)[: len(self.events)])
        if whole < len(data):
            path.write_bytes(data[:whole])
        self._seq = self.events[-1].seq if self.events else after
        self._time = self.events[-1].time if self.events else 0.0

    def append(self, event: E) -> E:
        """Number the event, stamp it with the time, and store it; time never runs back."""
        self._seq += 1
        self._time = max(self._time, time.time())
        stored = evolve(event, seq=self._seq, time=self._time)
        with self.path.open("ab") as file:
            file.write(dump_event(stored).encode() + b"\n")
        return stored
