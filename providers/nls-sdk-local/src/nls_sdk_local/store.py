"""The artifact store: `HOME/artifacts/DIGEST`, each a file or folder that is known by its content."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nls_sdk.artifacts import Artifact, artifact_of, fingerprint
from nls_sdk.errors import ArtifactError
from nls_sdk.rundir import locate

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def push(home: Path, path: Path) -> Artifact:
    """Store a file or folder; links are stored as what they point to. What is there and damaged is replaced.

    Raises:
        ArtifactError: It is not there, holds no file, changed meanwhile, or does not fit the disk.
    """
    artifact = artifact_of(path)
    target = home / artifact.path
    if target.exists() and fingerprint(target) != (artifact.digest, artifact.size):
        _discard(target)
    if not target.exists():
        _copy(path, target, artifact)
    return artifact


def pull(home: Path, artifact: Artifact, to: Path) -> Path:
    """Copy an artifact to a path that does not exist yet.

    Raises:
        ArtifactError: It is not there, is not what was stored, or does not fit the disk; or `to` exists.
    """
    if to.exists():
        raise ArtifactError(f"{to}: already exists, and nothing is overwritten.", hint="Name a new path.")
    _copy(locate(home, artifact), to, artifact)
    return to


def _copy(source: Path, target: Path, artifact: Artifact) -> None:
    """Copy by way of a temporary neighbour, check the copy, and rename it into place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _room(target.parent, artifact.size),
        tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as temporary,
    ):
        part = Path(temporary) / "content"
        if source.is_file():
            shutil.copyfile(source, part)
        else:
            shutil.copytree(source, part, copy_function=shutil.copyfile)
        if fingerprint(part)[0] != artifact.digest:
            raise ArtifactError(
                f"{source}: its bytes are not those of {artifact.digest[:12]}…: it changed, or is damaged.",
                hint="Push it again, or run the step that made it again.",
            )
        _sync(part)
        try:
            part.rename(target)
        except OSError:
            # Another process stored the same content meanwhile.
            if not target.exists():
                raise
        _sync_one(target.parent)


def _discard(target: Path) -> None:
    """Remove a file or folder that others may look for, all at once."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as temporary:
        target.rename(Path(temporary) / "content")


def _sync(path: Path) -> None:
    """Force a file, or a folder with all it holds, to the disk: a name must never outlast its bytes."""
    for each in (*path.rglob("*"), path):
        _sync_one(each)


def _sync_one(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def _room(folder: Path, size: int) -> Iterator[None]:
    """Tell a full disk, before or while copying, as an error that names the folder and the bytes."""
    if shutil.disk_usage(folder).free < size:
        raise _full(folder, size)
    try:
        yield
    except (OSError, shutil.Error) as error:
        if (isinstance(error, OSError) and error.errno in _FULL) or os.strerror(errno.ENOSPC) in str(error):
            raise _full(folder, size) from None
        raise ArtifactError(f"{folder}: cannot be copied into: {error}.") from error


def _full(folder: Path, size: int) -> ArtifactError:
    free = shutil.disk_usage(folder).free
    return ArtifactError(
        f"{folder}: the disk is full: {size:,} bytes needed, {free:,} free.",
        hint="Free space, or set NLS_HOME to a folder on a larger disk.",
    )
