"""Waking an endpoint: Modal starts a machine when a request comes, so until it is ready somebody must ask."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.request

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
        threading.Thread(target=_ask, args=(f"{url}/health", key), name="waker", daemon=True).start()


def _ask(url: str, key: str) -> None:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310  # Modal's own URL
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({})) if _is_loopback(url) else None
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        (opener.open if opener else urllib.request.urlopen)(request, timeout=_PATIENCE).close()


def _is_loopback(url: str) -> bool:
    return url.startswith("http://127.0.0.1")
