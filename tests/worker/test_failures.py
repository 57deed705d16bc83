from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from nls_sdk import Recipe
from nls_sdk.errors import RecipeError
from nls_sdk.worker.failures import explain, smaller_passes


def test_a_full_disk() -> None:
    failed = explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/home/checkpoint"), "train")
    assert failed.message == "The disk is full: /home/checkpoint."
    assert "resumes from its last checkpoint" in failed.hint


def test_a_full_disk_as_safetensors_tells_it() -> None:
    error = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert explain(error, "train").message == "The disk is full."


def test_a_full_gpu() -> None:
    failed = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "train")
    assert failed.message == "The GPU ran out of memory."
    assert "per_device_batch_size" in failed.hint
    assert "same name: it resumes" in failed.hint


def test_a_full_machine() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert explain(caught.value, "train").message == "The machine ran out of memory."


@pytest.mark.parametrize(
    ("kind", "says", "never"),
    [
        ("dry-run", "per_device_batch_size", "resumes"),
        ("merge", "merge on a machine with more memory", "batch"),
        ("serve", "serve on a machine with more memory", "batch"),
    ],
)
def test_what_to_do_fits_the_kind_of_task(kind: str, says: str, never: str) -> None:
    full = explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), kind)
    assert "checkpoint" not in full.hint
    hint = explain(MemoryError(), kind).hint
    assert says in hint
    assert never not in hint


def test_our_own_errors_speak_for_themselves() -> None:
    failed = explain(RecipeError("wrong", hint="do this"), "train")
    assert (failed.message, failed.hint) == ("wrong", "do this")


def test_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Path("/no/such/file").read_text()
    assert explain(caught.value, "train").message == "No such file or directory: /no/such/file."


def test_anything_else_is_one_line() -> None:
    failed = explain(KeyError("x"), "train")
    assert failed.message == "KeyError: 'x'"
    assert "traceback" in failed.hint
    assert explain(ValueError("\n first\nsecond"), "train").message == "ValueError: first"
    assert explain(ValueError(), "train").message == "ValueError"


def test_a_full_gpu_is_told_of_with_its_numbers() -> None:
    text = (
        "CUDA out of memory. Tried to allocate 120.00 MiB. GPU 0 has a total capacity of 139.80 GiB of which "
        "11.12 MiB is free. Including non-PyTorch memory, this process has 139.78 GiB memory in use."
    )
    failed = explain(torch.OutOfMemoryError(text), "train")
    assert failed.message == (
        "The GPU ran out of memory: it has 139.80 GiB, 11.12 MiB were free, and 120.00 MiB more were needed."
    )


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Recipe(per_device_batch_size=4), "per_device_batch_size = 2 and gradient_accumulation_steps = 4 "),
        (
            Recipe(per_device_batch_size=7, gradient_accumulation_steps=3),
            "per_device_batch_size = 3 and gradient_accumulation_steps = 7 ",
        ),
        (Recipe(per_device_batch_size=1), "gradient_checkpointing = true, under another name"),
        (Recipe(per_device_batch_size=1, gradient_checkpointing=True), "a GPU with more memory"),
    ],
)
def test_settings_that_train_the_same_in_less_memory_are_named(recipe: Recipe, says: str) -> None:
    assert says in smaller_passes(recipe)
