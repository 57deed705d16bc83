"""Waking an endpoint: Modal starts a machine when a request comes, so until it is ready somebody must ask."""

from __future__ import annotations

import contextlib
import threading
import time

from nls_sdk.connections import open_pool

_EVERY = 2.0
_PATIENCE = 5.0


class Waker:
    """Sends a request now and then, from a thread, and does not care for the answer."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        self._lock = threading.Lock()

    def wake(self, url: str, key: str) -> None:
        """Ask for the health of the server at a base URL, unless that was done a moment ago."""
        with self._lock:
            now = time.monotonic()
            if now < self._asked.get(url, float("-inf")) + _EVERY:
                return
            self._asked[url] = now
        threading.Thread(target=_ask, args=(url, key), name="waker", daemon=True).start()


def _ask(url: str, key: str) -> None:
    from urllib3.exceptions import HTTPError

    headers = {"Authorization": f"Bearer {key}"}
    with contextlib.suppress(HTTPError, OSError), open_pool(url, timeout=_PATIENCE) as pool:
        # It has done its work when it arrives. Nothing is followed: the key belongs to this server alone.
        pool.request("GET", f"{url}/health", headers=headers, retries=False, redirect=False)
