"""Artifacts: files and folders that providers keep, known by the hash of their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from attrs import frozen

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

    A folder's digest does not depend on where it lies, on times or on permissions.
    """
    if path.is_file():
        return hash_file(path), path.stat().st_size
    digest, size = hashlib.sha256(), 0
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)}\n".encode())
        size += file.stat().st_size
    return digest.hexdigest(), size
