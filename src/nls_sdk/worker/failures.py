"""What an exception means to the user: one sentence, and what to do."""

from __future__ import annotations

import errno
import re

from ..errors import NlsError
from ..events import Failed

_MEMORY_HINT = (
    "Halve per_device_batch_size and double gradient_accumulation_steps, which trains the same, or set "
    "gradient_checkpointing."
)
_DISK_HINT = "Free some space and start the run again: it goes on from its last checkpoint."


def explain(error: BaseException) -> Failed:
    """The event that tells of an error."""
    text = str(error)
    if isinstance(error, NlsError):
        return Failed(error.message, hint=error.hint)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(f"The disk is full{_place(error)}.", hint=_DISK_HINT)
    if "No space left on device" in text:
        return Failed("The disk is full.", hint=_DISK_HINT)
    if type(error).__name__ == "OutOfMemoryError":
        return Failed(f"The GPU ran out of memory{_numbers(text)}.", hint=_MEMORY_HINT)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return Failed("The machine ran out of memory.", hint=_MEMORY_HINT)
    if isinstance(error, OSError) and error.filename is not None:
        return Failed(f"{error.strerror}{_place(error)}.")
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return Failed(
        f"{type(error).__name__}: {line}" if line else type(error).__name__,
        hint="This was not foreseen: the run's log has the traceback.",
    )


def _numbers(text: str) -> str:
    """What torch says about the GPU's memory, in short."""
    sizes = re.search(
        r"Tried to allocate (\S+ \w+)\..*?total capacity of (\S+ \w+) of which (\S+ \w+) is free",
        text,
        re.DOTALL,
    )
    return ": it has {1}, {2} were free, and {0} more were needed".format(*sizes.groups()) if sizes else ""


def _place(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""
