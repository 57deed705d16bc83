"""End with whoever started us, however that ends."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_stdin() -> None:
    """Watch standard input from a thread; when it ends, kill this process and its whole group at once.

    Our supervisor alone holds the pipe's other end, so that its end is the supervisor's, even by SIGKILL.
    """
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
