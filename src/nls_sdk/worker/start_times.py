"""Where the seconds of vLLM's start go, read off its log."""

from __future__ import annotations

import re
import time

_STAGES = {
    "imports": re.compile(r"non-default args"),
    "weights": re.compile(r"Model loading took .* and (?P<seconds>[\d.]+) seconds"),
    "compiling": re.compile(r"torch\.compile .*took (?P<seconds>[\d.]+) s in total"),
    "graphs": re.compile(r"Graph capturing finished in (?P<seconds>[\d.]+) secs"),
    "engine, all of these included": re.compile(r"init engine .* took (?P<seconds>[\d.]+) s"),
}


class StartTimes:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._seconds: dict[str, float] = {}

    def hear(self, line: str) -> None:
        """Take what a line of the log says of a stage."""
        for stage, pattern in _STAGES.items():
            if (found := pattern.search(line)) is not None:
                told = found.groupdict().get("seconds")
                self._seconds[stage] = self._elapsed if told is None else float(told)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def told(self) -> str:
        """The start so far, in words."""
        stages = "".join(f"; {stage} {seconds:.1f} s" for stage, seconds in self._seconds.items())
        return f"vLLM was up after {self._elapsed:.1f} s{stages}"
