"""Run: the handle of a job, from any process that can reach its provider."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

from .errors import RunCancelled, RunFailed, RunNotFound
from .events import Cancelled, Event, Failed, Log, Ready, Succeeded
from .providers import Provider, RunRecord
from .retry import retry

T = TypeVar("T")

POLL_SECONDS = 0.2
_LAST_WORDS = 5


class Run(Generic[T]):
    """A job at a provider. Closing the process that started it does not stop it.

    Attributes:
        provider: Where it runs.
        run_id: Its id there.
    """

    def __init__(self, provider: Provider, run_id: str, finish: Callable[[Ready | Succeeded], T]) -> None:
        """Hold a run.

        Args:
            provider: Where it runs.
            run_id: Its id there.
            finish: Makes the result from the event that brings it.
        """
        self.provider = provider
        self.run_id = run_id
        self._finish = finish

    @property
    def ref(self) -> str:
        """What `nls_sdk.attach` finds the run by, from any process: `PROVIDER:NAME.KIND`."""
        return ref_of(self.provider, self.run_id)

    def events(self, *, after: int = 0) -> Iterator[Event]:
        """The run's events as they come, from number `after` on, until the result is there.

        Ends with `Succeeded`, or with `Ready` when the run is a server that lives.

        Raises:
            RunFailed: The job raised or died; the message is its last word.
            RunCancelled: Somebody cancelled it.
        """
        words: list[str] = []
        while True:
            news = retry(partial(self.provider.events, self.run_id, after=after))
            ended = any(isinstance(event, Failed | Cancelled) for event in news)
            for event in news:
                after = event.seq
                yield event
                match event:
                    case Ready() if ended:
                        pass
                    case Succeeded() | Ready():
                        return
                    case Failed():
                        raise RunFailed(self._failure(event, words), hint=event.hint)
                    case Cancelled():
                        raise RunCancelled(f"Run {self.ref} was stopped: {event.reason}.")
                    case Log(text):
                        words = [*words[1 - _LAST_WORDS :], text]
                    case _:
                        pass
            if not news:
                time.sleep(POLL_SECONDS)

    def result(self) -> T:
        """Wait for the run and return what it made.

        Raises:
            RunFailed: The job raised or died.
            RunCancelled: Somebody cancelled it.
        """
        *_, last = self.events()
        assert isinstance(last, Succeeded | Ready), "events() ends with a result or raises"
        return self._finish(last)

    def record(self) -> RunRecord:
        """What the provider knows of the run.

        Raises:
            RunNotFound: It is gone.
        """
        return find_run(self.provider, self.run_id)

    def cancel(self) -> None:
        """Stop the job and everything it started. Idempotent."""
        retry(lambda: self.provider.cancel(self.run_id))

    def __repr__(self) -> str:
        return f"<Run {self.ref}>"

    def _failure(self, event: Failed, words: list[str]) -> str:
        said = "".join(f"\n  {line}" for line in words)
        return f"Run {self.ref} failed: {event.message}" + (f"\nIts last words:{said}" if said else "")


def ref_of(provider: Provider, run_id: str) -> str:
    """What `nls_sdk.attach` finds a run by."""
    return f"{provider.name}:{run_id}"


def find_run(provider: Provider, run_id: str) -> RunRecord:
    """The record of a run.

    Raises:
        RunNotFound: There is none; the hint lists near names.
    """
    records = {record.run_id: record for record in retry(provider.runs)}
    if run_id not in records:
        raise RunNotFound(run_id, records, place=provider)
    return records[run_id]
