"""The event log of a run: `events.jsonl`, one writer at a time, any number of readers."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from attrs import evolve

from nls_sdk.events import Event, dump_event, load_event

E = TypeVar("E", bound=Event)

_NEWLINE = b"\n"


def read_events(path: Path, *, after: int = 0) -> list[Event]:
    """The events numbered above `after`; what a power cut left torn at the end is not one."""
    events = []
    for line in _lines(path)[after:]:
        try:
            events.append(load_event(line.decode()))
        except ValueError:
            break
    return events


def newest_first(path: Path) -> Iterator[Event]:
    """The events from the last to the first, each read when it is asked for."""
    for line in reversed(_lines(path)):
        try:
            yield load_event(line.decode())
        except ValueError:
            continue


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(_NEWLINE)[:-1]
    except FileNotFoundError:
        return []


class EventWriter:
    """Appends to an event log. Whoever makes one must hold the run's lock."""

    def __init__(self, path: Path) -> None:
        """Open the log, cutting off what is torn at its end."""
        sound = read_events(path)
        self._count = len(sound)
        self._end = sum(len(line) + 1 for line in _lines(path)[: self._count])
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._file, self._end)

    def append(self, event: E) -> E:
        """Number the event, stamp it with the time, and store it.

        Raises:
            OSError: It cannot be stored, as on a full disk; the log is left as it was.
        """
        stored = evolve(event, seq=self._count + 1, time=time.time())
        line = dump_event(stored).encode() + _NEWLINE
        if os.pwrite(self._file, line, self._end) < len(line):
            os.ftruncate(self._file, self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._count += 1
        self._end += len(line)
        return stored

    def close(self) -> None:
        """Force what was written to the disk, and close."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)
