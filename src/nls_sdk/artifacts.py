"""Artifacts: files and folders that providers keep, known by the hash of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from .errors import ArtifactError

_CHUNK = 1 << 20


@frozen
class Artifact:
    """A file or folder in a provider's store.

    Attributes:
        path: Where it lies, relative to the provider's home folder, with forward slashes.
        digest: SHA-256 of the content, in hex; see `fingerprint`.
        size: Bytes of all its files.
    """

    path: str
    digest: str
    size: int


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(path: Path) -> tuple[str, int]:
    """The digest and size in bytes of a file, or of a folder: the hash over its files' names and hashes.

    A folder's digest does not depend on where it lies, on times or on permissions; a link counts as what it
    points to.

    Raises:
        ArtifactError: A link leads back into a folder that holds it.
    """
    if path.is_file():
        return hash_file(path), path.stat().st_size
    digest, size = hashlib.sha256(), 0
    for file in sorted(_files(path)):
        digest.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)}\n".encode())
        size += file.stat().st_size
    return digest.hexdigest(), size


def artifact_of(path: Path) -> Artifact:
    """The artifact that a file or folder becomes where it is stored, at `artifacts/DIGEST`.

    Raises:
        ArtifactError: It is not there, or is a folder that holds no file.
    """
    if not path.exists():
        raise ArtifactError(f"{path}: no such file or folder.")
    if path.is_dir() and next(_files(path), None) is None:
        raise ArtifactError(f"{path}: the folder holds no file.", hint="Was it written elsewhere?")
    digest, size = fingerprint(path)
    return Artifact(path=f"artifacts/{digest}", digest=digest, size=size)


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The files of a folder and of those below, links followed."""
    here = folder.resolve()
    if here in above:
        raise ArtifactError(f"{folder}: a link leads back into a folder that holds it.", hint="Remove it.")
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, above | {here})
        elif entry.is_file():
            yield entry
