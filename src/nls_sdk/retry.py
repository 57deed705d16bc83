"""The one retry policy. Providers and translators never retry; this does, around each of their calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

# stamina logs every retry, and where no program has set up logging Python prints that on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())

T = TypeVar("T")

ATTEMPTS = 5
LONGEST_WAIT = 8.0
LONGEST_ASKED_WAIT = 600.0
"""Seconds that a server may ask to wait (`Retry-After`); one that asks for more is given up."""


def can_retry(error: Exception) -> bool:
    """Whether the same call may succeed a moment later: the error says so."""
    return bool(getattr(error, "retryable", False)) and asked_wait(error) <= LONGEST_ASKED_WAIT


def asked_wait(error: Exception) -> float:
    """Seconds that an error asks to wait before the next call; 0 when it does not say."""
    return float(getattr(error, "retry_after", None) or 0.0)


def _backoff(error: Exception) -> bool | float:
    return can_retry(error) and (asked_wait(error) or True)


def retry(call: Callable[[], T]) -> T:
    """Call, and call again after a growing, jittered wait while it raises a retryable error.

    An error that says how long to wait is waited for so long. At most `ATTEMPTS` calls; the last error is
    raised as it is.
    """
    import stamina

    for attempt in stamina.retry_context(
        on=_backoff, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=LONGEST_WAIT
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: stamina raises the last error")
