"""Owning: a client's part in the lives of servers, which end with the last client that wants them."""

from __future__ import annotations

import time

from nls_sdk.tasks import Serve

from .layout import Attempt
from .lease import Leases
from .records import Seen, see_all
from .settling import Settler
from .volume import RunsVolume


class Owner:
    """One client's signs of life, for the servers that it wants."""

    def __init__(self, volume: RunsVolume, settler: Settler, *, client: str, seconds: float) -> None:
        """Own nothing yet.

        Args:
            volume: Where runs are told of.
            settler: Ends those that are to end.
            client: What this client is called on the Volume.
            seconds: How long a server outlives its clients' last sign of life.
        """
        self._volume, self._settler, self._client = volume, settler, client
        self._leases = Leases(renew=self._renew, end=self.leave, seconds=seconds)

    def beat(self, attempt: Attempt) -> None:
        """Give a sign of life."""
        self._volume.write(f"{attempt.leases}/{self._client}", str(time.time()).encode())

    def own(self, seen: Seen, task: Serve) -> None:
        """Want a server that lives: as long as this process does, or for good if the task is detached."""
        if seen.end or not seen.asked.lease or seen.detached:
            return
        if task.detached:
            self._volume.write_new(seen.attempt.detached, b"detached")
            self._leases.drop(seen.run_id)
        else:
            self._leases.hold(seen.run_id)

    def disown(self, run_id: str) -> None:
        """Give no more signs of life for it."""
        self._leases.drop(run_id)

    def leave(self, run_id: str) -> None:
        """End a server if this process was the last to own it."""
        # Not settled: at the interpreter's exit nothing can be written to the Volume, and that would fail.
        seen = next(iter(see_all(self._volume, run_id)), None)
        if not seen or seen.end or seen.detached:
            return
        self._volume.remove(f"{seen.attempt.leases}/{self._client}")
        if not self._settler.is_owned(seen, but=self._client):
            # Its end is left for a reader to write, too.
            self._settler.stop(seen)

    def _renew(self, run_id: str) -> None:
        if (seen := self._settler.find(run_id)) and not seen.end:
            self.beat(seen.attempt)
