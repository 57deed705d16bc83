"""Metering: how long an attempt has worked, on all of its containers, and whether that is its limit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from attrs import evolve

from .layout import Machine, dump, parse

_EVERY = 15.0
"""Seconds between two notes of a container's time, and between two looks at what the others noted."""

Look = Callable[[], Iterable[Machine]]


class Meter:
    """One container's stopwatch, beside what the attempt's other containers have noted of theirs.

    The limit is one for all of them: each stops by itself once their sum reaches it, as far as it knows of
    the others, which is half a minute late.

    Attributes:
        machine: This container's share.
        others: Those of the containers before it, and of those that run beside it.
    """

    def __init__(self, folder: Path, machine: Machine, *, limit: float | None, look: Look) -> None:
        """Start the stopwatch; nothing is noted yet.

        Args:
            folder: Where containers note their shares, as this one sees the Volume.
            machine: This container.
            limit: Seconds that all may spend; None is no limit.
            look: The notes of all containers as the Volume has them now, which a mounted one does not show.
        """
        self.machine = machine
        self.others: Mapping[str, Machine] = self._but_this(read_machines(folder))
        self._folder, self._limit, self._look = folder, limit, look
        self._started = time.monotonic()
        self._noted = self._looked = float("-inf")
        self._noting = threading.RLock()

    @property
    def is_due(self) -> bool:
        """Whether a note is to be made again."""
        return time.monotonic() > self._noted + _EVERY

    @property
    def is_over(self) -> bool:
        """Whether the containers have spent what they may."""
        if self._limit is None:
            return False
        noted = sum(machine.seconds for machine in self.others.values())
        return noted + time.monotonic() - self._started > self._limit

    def note(self, *, ended: str = "", resumed_from: int | None = None) -> None:
        """Write this container's share down; what is not given stays as it was. Threads may do so at once."""
        with self._noting:
            self._noted = time.monotonic()
            self.machine = evolve(
                self.machine,
                seconds=self._noted - self._started,
                ended=ended or self.machine.ended,
                resumed_from=self.machine.resumed_from if resumed_from is None else resumed_from,
            )
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self.machine.task}.json"
            temporary = path.with_suffix(".new")
            temporary.write_bytes(dump(self.machine))
            temporary.replace(path)

    def look(self) -> None:
        """See what the containers beside this one have spent, unless that was done a moment ago."""
        now = time.monotonic()
        if self._limit is None or now < self._looked + _EVERY:
            return
        self._looked = now
        self.others = self._but_this(self._look())

    def _but_this(self, machines: Iterable[Machine]) -> dict[str, Machine]:
        return {each.task: each for each in machines if each.task != self.machine.task}


def read_machines(folder: Path) -> list[Machine]:
    """The containers that noted their shares in a folder."""
    found = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(msgspec.MsgspecError, OSError):
            found.append(parse(path.read_bytes(), Machine))
    return found
