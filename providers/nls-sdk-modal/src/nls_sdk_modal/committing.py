"""Committing a Volume from a thread, so that a slow commit holds up nobody."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


class Committer:
    """Commits what is new, at most every few seconds, and once more at the end."""

    def __init__(
        self,
        commit: Callable[[], None],
        *,
        every: float,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            commit: Makes what was written known to others.
            every: Seconds between commits.
            before: Called before each commit.
            after: Called after each but the last; what it raises is told, and changes nothing.
        """
        self._commit, self._every = commit, every
        self._before, self._after = before, after
        self._new = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Note that there is something new."""
        self._new.set()

    def close(self) -> None:
        """Commit all there is.

        Raises:
            Exception: That last commit failed; the ones before may fail, as each makes up for them.
        """
        self._closed.set()
        self._new.set()
        self._thread.join()
        self._before()
        self._commit()

    def _run(self) -> None:
        while self._new.wait() and not self._closed.is_set():
            self._new.clear()
            try:
                self._before()
                self._commit()
            except Exception as error:
                print(f"a commit failed, and is made up for: {error}", file=sys.stderr, flush=True)
                self._new.set()
            try:
                self._after()
            except Exception as error:
                print(f"what others committed is not known: {error}", file=sys.stderr, flush=True)
            self._closed.wait(self._every)
