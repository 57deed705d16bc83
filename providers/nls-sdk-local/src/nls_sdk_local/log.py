"""The event log of a run: `events.jsonl`, one writer at a time, any number of readers; read from its end."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from attrs import evolve

from nls_sdk.events import Event, dump_event, load_event

E = TypeVar("E", bound=Event)

_NEWLINE = b"\n"
_BLOCK = 1 << 16


def read_events(path: Path, *, after: int = 0) -> list[Event]:
    """The events numbered above `after`; what a power cut left torn at the end is not one."""
    news = list(takewhile(lambda event: event.seq > after, newest_first(path)))
    return news[::-1]


def newest_first(path: Path) -> Iterator[Event]:
    """The events from the last to the first, each read when it is asked for."""
    return (event for event, _ in _events_backwards(path))


def _events_backwards(path: Path) -> Iterator[tuple[Event, int]]:
    """The events from the last to the first, each with the offset where its line ends."""
    for line, end in _lines_backwards(path):
        try:
            yield load_event(line.decode()), end
        except ValueError:
            continue


def _lines_backwards(path: Path) -> Iterator[tuple[bytes, int]]:
    """The whole lines from the last to the first, without their ends, and the offsets where they end."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        end = start = file.seek(0, os.SEEK_END)
        line, is_whole = b"", False
        while start:
            size = min(_BLOCK, start)
            start -= size
            file.seek(start)
            line, *later = (file.read(size) + line).split(_NEWLINE)
            for each in reversed(later):
                if is_whole:
                    yield each, end + 1
                end -= len(each) + 1
                is_whole = True
        if is_whole:
            yield line, end + 1


class EventWriter:
    """Appends to an event log. Whoever makes one must hold the run's lock."""

    def __init__(self, path: Path, *, after: int = 0) -> None:
        """Open the log, cutting off what is torn at its end.

        Args:
            path: The log.
            after: The number after which an empty log goes on: the last one of the earlier attempts.
        """
        last, self._end = next(_events_backwards(path), (None, 0))
        self._seq = last.seq if last else after
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._file, self._end)

    def append(self, event: E) -> E:
        """Number the event, stamp it with the time, and store it.

        Raises:
            OSError: It cannot be stored, as on a full disk; the log is left as it was.
        """
        stored = evolve(event, seq=self._seq + 1, time=time.time())
        line = dump_event(stored).encode() + _NEWLINE
        if os.pwrite(self._file, line, self._end) < len(line):
            os.ftruncate(self._file, self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._seq += 1
        self._end += len(line)
        return stored

    def close(self) -> None:
        """Force what was written to the disk, and close."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)
