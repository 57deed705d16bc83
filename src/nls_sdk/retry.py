"""The one retry policy. Providers and translators never retry; this does, around each of their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

ATTEMPTS = 5
LONGEST_WAIT = 8.0


def can_retry(error: Exception) -> bool:
    """Whether the same call may succeed a moment later: the error says so."""
    return bool(getattr(error, "retryable", False))


def retry(call: Callable[[], T]) -> T:
    """Call, and call again after a growing, jittered wait while it raises a retryable error.

    At most `ATTEMPTS` calls; the last error is raised as it is.
    """
    import stamina

    for attempt in stamina.retry_context(
        on=can_retry, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=LONGEST_WAIT
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: stamina raises the last error")
