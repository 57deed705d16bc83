"""Hearing a worker: its bytes become lines, its lines become events, and no secret stands in them.

For authors of providers, whose supervisor reads the worker's two pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import msgspec

from .events import Event, Log, load_event

_LONGEST = 1 << 20
_PIECE = 1 << 16
_SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|KEY)$")
_SHORTEST_SECRET = 8


class LineSplitter:
    """Cuts bytes into lines, as a terminal would show them.

    Of a line that was redrawn with carriage returns, as progress bars are, the last drawing counts. Blank
    lines are left out.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that end within the data."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        return [text for line in lines if (text := _shown(line))]

    def rest(self) -> list[str]:
        """What stands after the last line's end."""
        text, self._rest = _shown(self._rest), b""
        return [text] if text else []


class Listener:
    """Turns a worker's lines into events, with the secrets of its environment struck out."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Learn what must not be told.

        Args:
            environment: The worker's; the values of its variables whose names end in TOKEN, SECRET, PASSWORD
                or KEY are secrets.
        """
        self._secrets = _secrets(environment)

    def hear(self, line: str, *, is_told: bool) -> Event:
        """The event of a line: what it says where it was told on standard output, else a `Log`."""
        event: Event = Log(line)
        if is_told and line.startswith("{"):
            with contextlib.suppress(ValueError):
                event = load_event(line)
        return msgspec.convert(self._hidden(msgspec.to_builtins(event)), type=type(event))

    def _hidden(self, value: Any) -> Any:
        """The value with the secrets in its texts struck out."""
        match value:
            case str():
                for secret in self._secrets:
                    value = value.replace(secret, "***")
                return value
            case dict():
                return {key: self._hidden(each) for key, each in value.items()}
            case list():
                return [self._hidden(each) for each in value]
            case _:
                return value


class WorkerPipes:
    """A worker's standard output and standard error, read side by side as events. A context manager."""

    def __init__(self, worker: subprocess.Popen[bytes], listener: Listener) -> None:
        """Begin to listen.

        Args:
            worker: The process, with both of its outputs piped.
            listener: What turns its lines into events.
        """
        self._listener = listener
        self._pipes = selectors.DefaultSelector()
        for pipe, is_told in ((worker.stdout, True), (worker.stderr, False)):
            assert pipe
            os.set_blocking(pipe.fileno(), False)
            self._pipes.register(pipe, selectors.EVENT_READ, (LineSplitter(), is_told))

    def hear(self, seconds: float) -> list[Event]:
        """What is told next; none where nothing comes within the time."""
        if not self._pipes.get_map():
            time.sleep(seconds)
        return [event for key, _ in self._pipes.select(seconds) for event in self._read(key)]

    def rest(self) -> Iterator[Event]:
        """What is left in the pipes; a process that holds one open is not waited for."""
        while ready := self._pipes.select(0):
            for key, _ in ready:
                yield from self._read(key)

    def _read(self, key: selectors.SelectorKey) -> Iterator[Event]:
        splitter, is_told = key.data
        data = os.read(key.fd, _PIECE)
        if not data:
            self._pipes.unregister(key.fileobj)
        for line in splitter.feed(data) if data else splitter.rest():
            yield self._listener.hear(line, is_told=is_told)

    def __enter__(self) -> WorkerPipes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipes.close()


def _secrets(environment: Mapping[str, str]) -> list[str]:
    """What must not be told: the secrets, as they are and as JSON writes them."""
    plain = [
        value
        for name, value in environment.items()
        if _SECRET.search(name.upper()) and len(value) >= _SHORTEST_SECRET
    ]
    written = [
        json.dumps(value, ensure_ascii=is_ascii)[1:-1] for value in plain for is_ascii in (True, False)
    ]
    return sorted({*plain, *written}, key=len, reverse=True)


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip().rsplit("\r", 1)[-1]
