"""How the provider suite waits for runs."""

from __future__ import annotations

import time
from typing import TypeVar

from ..events import Cancelled, Event, Failed, Succeeded
from ..providers import Provider, RunRecord
from ..tasks import Task

E = TypeVar("E", bound=Event)


class Waiting:
    """Waits for what runs tell.

    Attributes:
        patience: Seconds that a small job may take from its start to its end, waiting for a machine included.
    """

    patience: float = 600.0

    def _until(self, provider: Provider, run_id: str, *kinds: type[E], after: int = 0) -> E:
        """The first event of these kinds numbered above `after`; the run must not end without it."""
        deadline, seen = time.monotonic() + self.patience, after
        while time.monotonic() < deadline:
            for event in provider.events(run_id, after=seen):
                seen = event.seq
                if isinstance(event, kinds):
                    return event
                assert not isinstance(event, Succeeded | Failed | Cancelled), f"{run_id} ended: {event}"
            time.sleep(0.02)
        raise AssertionError(f"{run_id}: nothing of {[kind.__name__ for kind in kinds]} in {self.patience} s")

    def _until_ended(self, provider: Provider, run_id: str, *, after: int = 0) -> list[Event]:
        """All events of the attempt that ends after number `after`."""
        self._until(provider, run_id, Succeeded, Failed, Cancelled, after=after)
        return list(provider.events(run_id))

    def _finished(self, provider: Provider, task: Task) -> list[Event]:
        """All events of a task that succeeds."""
        provider.submit(task)
        events = self._until_ended(provider, task.run_id)
        assert isinstance(events[-1], Succeeded), events
        return events

    def _record(self, provider: Provider, task: Task) -> RunRecord:
        return next(record for record in provider.runs() if record.run_id == task.run_id)

    def _cancel_if_there(self, provider: Provider, task: Task) -> None:
        if task.run_id in [record.run_id for record in provider.runs()]:
            provider.cancel(task.run_id)
