"""Doing the same to many things at once: requests to Modal take their time, and not the client's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_THREADS = 16


def at_once(do: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """What `do` returns for each of the things, in their order."""
    todo = list(things)
    # A process that is about to end may start no threads, and still has its servers to stop.
    if len(todo) < 2 or not threading.main_thread().is_alive():
        return [do(thing) for thing in todo]
    with ThreadPoolExecutor(min(_THREADS, len(todo))) as threads:
        return list(threads.map(do, todo))
