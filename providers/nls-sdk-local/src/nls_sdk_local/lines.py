"""Lines of text out of a stream of bytes."""

from __future__ import annotations

_LONGEST = 1 << 20


class LineSplitter:
    """Cuts bytes into lines, as a terminal would show them.

    Of a line that was redrawn with carriage returns, as progress bars are, the last drawing counts. Blank
    lines are left out.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that end within the data."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        return [text for line in lines if (text := _shown(line))]

    def rest(self) -> list[str]:
        """What stands after the last line's end."""
        text, self._rest = _shown(self._rest), b""
        return [text] if text else []


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip().rsplit("\r", 1)[-1]
