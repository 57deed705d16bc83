"""Checkpoints that are known to be whole: each has a list of its files and their hashes beside it.

A container may vanish in the midst of a commit, so that the next one sees half a checkpoint. What its list
does not vouch for is removed before the worker looks for something to resume from.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from nls_sdk.artifacts import hash_file
from nls_sdk.rundir import write_json

_NAME = re.compile(r"checkpoint-(\d+)")


def vouch(folder: Path) -> None:
    """List the files of every checkpoint that is not listed yet; forget lists of those that are gone."""
    found = _checkpoints(folder)
    for checkpoint in found.values():
        if not _list(checkpoint).exists():
            write_json(_list(checkpoint), _files(checkpoint))
    for leftover in folder.glob("checkpoint-*.json"):
        if not leftover.with_suffix("").is_dir():
            leftover.unlink(missing_ok=True)


def keep_whole(folder: Path) -> int | None:
    """Remove every checkpoint that is not whole.

    Returns:
        The step of the newest that is left, or None.
    """
    steps = []
    for step, checkpoint in _checkpoints(folder).items():
        if _is_whole(checkpoint):
            steps.append(step)
        else:
            shutil.rmtree(checkpoint, ignore_errors=True)
            _list(checkpoint).unlink(missing_ok=True)
    return max(steps, default=None)


def _checkpoints(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in named if match and path.is_dir()}


def _is_whole(checkpoint: Path) -> bool:
    try:
        return bool(json.loads(_list(checkpoint).read_text("utf-8")) == _files(checkpoint))
    except (OSError, ValueError):
        return False


def _files(checkpoint: Path) -> dict[str, str]:
    files = (path for path in checkpoint.rglob("*") if path.is_file())
    return {path.relative_to(checkpoint).as_posix(): hash_file(path) for path in files}


def _list(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.json")
