"""Calls made several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16


def together(call: Callable[[T], R], values: Sequence[T]) -> list[R]:
    """What a call makes of each value, in order; several are under way at a time."""
    # At the interpreter's exit, when a process takes leave of its servers, no pool takes work any more.
    if len(values) < 2 or not threading.main_thread().is_alive():
        return list(map(call, values))
    with ThreadPoolExecutor(min(_AT_ONCE, len(values))) as pool:
        return list(pool.map(call, values))
