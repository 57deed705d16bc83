"""The Volume's clock: the one that times of several machines are compared on, whatever each of them shows."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

from nls_sdk.errors import ProviderUnavailable

from .volume import RunsVolume


class VolumeClock:
    """Tells the time as the Volume stamps its files with it; a laptop's own clock may be an hour off."""

    def __init__(self, volume: RunsVolume) -> None:
        self._volume = volume
        self._ahead: float | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch, right to about a second.

        Measured once, with a file that is written and removed; from then on this machine's stopwatch counts,
        which may stand still while it sleeps: what is judged too young meanwhile ends nothing too soon.

        Raises:
            ProviderUnavailable: The file is not to be seen yet.
        """
        with self._lock:
            if self._ahead is None:
                path = f"clocks/{uuid4().hex}"
                self._volume.write(path, b"now")
                found, at = self._volume.list(path), time.monotonic()
                self._volume.remove(path)
                if not found:
                    raise ProviderUnavailable(
                        f"Volume {self._volume.name} does not show what was written to it."
                    )
                self._ahead = found[0].mtime - at
            return self._ahead + time.monotonic()
