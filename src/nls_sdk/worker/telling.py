"""Telling events: one JSON line each, on a stream that nothing else writes to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeAlias

from ..events import Event, dump_event

Tell: TypeAlias = Callable[[Event], None]
"""Tells one event to whoever started the worker."""


def open_teller() -> Tell:
    """Keep standard output for events alone; what else is printed, even by C code, goes to standard error."""
    sys.stdout.flush()
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(event: Event) -> None:
        line = f"{dump_event(event)}\n".encode()
        while line:
            line = line[os.write(channel, line) :]

    return tell
