"""What an exception means to the user: one sentence, and what to do."""

from __future__ import annotations

import errno
import re

from ..errors import NlsError
from ..events import Failed
from ..recipe import Recipe
from ..tasks import DryRun, Merge, Serve, Train

_SMALLER_PASSES = "Halve per_device_batch_size and double gradient_accumulation_steps, which trains the same"
_LESS_MEMORY = {
    Train.kind: f"{_SMALLER_PASSES}, and start it again under the same name: it resumes. If that is not "
    "enough, set gradient_checkpointing, under another name: it starts from the beginning.",
    DryRun.kind: f"{_SMALLER_PASSES}, or set gradient_checkpointing.",
    Merge.kind: "Close other programs, or merge on a machine with more memory: the base model's weights must "
    "fit.",
    Serve.kind: "Close other programs, or serve on a machine with more memory: the model's weights must fit.",
}
_AGAIN = {
    Train.kind: "Start it again under the same name: it resumes from its last checkpoint.",
    DryRun.kind: "Start it again.",
    Merge.kind: "Merge again: the adapter is still there.",
    Serve.kind: "Deploy it again: the model is still there.",
}


def again(kind: str) -> str:
    """How a task of this kind is started again, and what that saves."""
    return _AGAIN[kind]


def less_memory(kind: str) -> str:
    """How a task of this kind is made to fit the memory, and what starting it again saves."""
    return _LESS_MEMORY[kind]


def smaller_passes(recipe: Recipe) -> str:
    """How a training by TRL's own step is made to fit the GPU, in the recipe's own numbers."""
    step, most = recipe.effective_batch_size, recipe.per_device_batch_size // 2
    batch = next((size for size in range(most, 0, -1) if step % size == 0), 0)
    if batch:
        return (
            f"per_device_batch_size = {batch} and gradient_accumulation_steps = {step // batch} train the "
            "same in about half the memory; start again under the same name: a training resumes."
        )
    if not recipe.gradient_checkpointing:
        return "gradient_checkpointing = true, under another name, trains in less memory and more time."
    return "Train on a GPU with more memory, or leave out the longest examples (max_length)."


def explain(error: BaseException, kind: str) -> Failed:
    """The event that tells of an error in a task of this kind."""
    text = str(error)
    more_room = f"Free some space. {again(kind)}"
    if isinstance(error, NlsError):
        return Failed(error.message, hint=error.hint)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(f"The disk is full{_place(error)}.", hint=more_room)
    if "No space left on device" in text:
        return Failed("The disk is full.", hint=more_room)
    if type(error).__name__ == "OutOfMemoryError":
        return Failed(f"The GPU ran out of memory{memory_numbers(text)}.", hint=less_memory(kind))
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return Failed("The machine ran out of memory.", hint=less_memory(kind))
    if isinstance(error, OSError) and error.filename is not None:
        return Failed(f"{error.strerror}{_place(error)}.")
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return Failed(
        f"{type(error).__name__}: {line}" if line else type(error).__name__,
        hint="This was not foreseen: the run's log has the traceback.",
    )


def memory_numbers(text: str) -> str:
    """What torch says about the GPU's memory, in short."""
    sizes = re.search(
        r"Tried to allocate (\S+ \w+)\..*?total capacity of (\S+ \w+) of which (\S+ \w+) is free",
        text,
        re.DOTALL,
    )
    return ": it has {1}, {2} were free, and {0} more were needed".format(*sizes.groups()) if sizes else ""


def _place(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""
