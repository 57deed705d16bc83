"""The runs Volume as a client sees it: files that are listed, read, and written once."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from nls_sdk.artifacts import Artifact, artifact_of, fingerprint
from nls_sdk.errors import ArtifactError

from .account import require_contact, speaking_to_modal
from .together import together

if TYPE_CHECKING:
    import modal


@frozen
class Entry:
    """A file on the Volume.

    Attributes:
        path: Relative to the Volume's root.
        size: In bytes.
        mtime: Seconds since the epoch, on the Volume's clock.
    """

    path: str
    size: int
    mtime: int


class RunsVolume:
    """A v2 Volume of Modal's.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str, environment: str) -> None:
        self.name, self._environment = name, environment
        self._made: modal.Volume | None = None
        self._known: dict[str, tuple[Entry, bytes]] = {}
        self._lock = threading.Lock()

    @property
    def handle(self) -> modal.Volume:
        """Modal's own object; the Volume is made if it is not there."""
        import modal

        with self._lock:
            if self._made is None:
                require_contact()
                made = modal.Volume.from_name(
                    self.name,
                    environment_name=self._environment or None,
                    create_if_missing=True,
                    version=2,
                )
                with speaking_to_modal(f"looking for Volume {self.name}"):
                    made.hydrate()
                self._made = made
            return self._made

    def list(self, path: str) -> list[Entry]:
        """All files under a path, in its folders too; none where the path is not there."""
        import modal.exception
        from modal.types import FileEntryType

        handle = self.handle
        with speaking_to_modal(f"listing {path} on Volume {self.name}"):
            try:
                entries = handle.listdir(path, recursive=True)
            except (modal.exception.NotFoundError, FileNotFoundError):
                return []
        return [
            Entry(entry.path.lstrip("/"), entry.size, entry.mtime)
            for entry in entries
            if entry.type == FileEntryType.FILE
        ]

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where it is not there."""
        import modal.exception

        handle = self.handle
        with speaking_to_modal(f"reading {path} on Volume {self.name}"):
            try:
                return b"".join(handle.read_file(path))
            except (modal.exception.NotFoundError, FileNotFoundError):
                return None

    def read_all(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Many small files at once; what did not change since it was read is not read again."""
        found: dict[str, bytes] = {}
        lacking = []
        for entry in entries:
            seen, data = self._known.get(entry.path, (None, b""))
            if seen == entry:
                found[entry.path] = data
            else:
                lacking.append(entry)
        read = together(lambda entry: self.read(entry.path), lacking)
        for entry, now in zip(lacking, read, strict=True):
            if now is not None:
                found[entry.path] = now
                if len(now) == entry.size:
                    self._known[entry.path] = (entry, now)
        return found

    def write_new(self, path: str, data: bytes) -> bool:
        """Write a file that is not there yet; whether it was this call that wrote it."""
        handle = self.handle
        with speaking_to_modal(f"writing {path} on Volume {self.name}"):
            try:
                with handle.batch_upload() as batch:
                    batch.put_file(io.BytesIO(data), f"/{path}")
            except FileExistsError:
                return False
        return True

    def write(self, path: str, data: bytes) -> None:
        """Write a file, in place of an older one."""
        handle = self.handle
        with (
            speaking_to_modal(f"writing {path} on Volume {self.name}"),
            handle.batch_upload(force=True) as batch,
        ):
            batch.put_file(io.BytesIO(data), f"/{path}")

    def remove(self, path: str) -> None:
        """Remove a file. Idempotent."""
        import modal.exception

        handle = self.handle
        with speaking_to_modal(f"removing {path} from Volume {self.name}"):
            try:
                handle.remove_file(path)
            except (modal.exception.NotFoundError, FileNotFoundError):
                return

    # Artifacts

    def push(self, path: Path) -> Artifact:
        """Store a file or folder under its content's name; what is there already is not sent again.

        Raises:
            ArtifactError: It is not there, holds no file, or changed meanwhile.
        """
        artifact = artifact_of(path)
        files = dict(_files(path, artifact.path))
        stored = {entry.path: entry.size for entry in self.list(artifact.path)}
        if stored == {name: file.stat().st_size for name, file in files.items()}:
            return artifact
        handle = self.handle
        with speaking_to_modal(f"storing {path}"), handle.batch_upload(force=True) as batch:
            for name, file in files.items():
                batch.put_file(file, f"/{name}")
        if fingerprint(path) != (artifact.digest, artifact.size):
            raise ArtifactError(f"{path}: it changed while it was stored.", hint="Store it again.")
        return artifact

    def pull(self, artifact: Artifact, to: Path) -> Path:
        """Copy an artifact to a path that does not exist yet, and check it.

        Raises:
            ArtifactError: It is not there, or is not what was stored; or `to` exists.
        """
        if to.exists():
            raise ArtifactError(f"{to}: already exists, and nothing is overwritten.", hint="Name a new path.")
        entries = self.list(artifact.path)
        if not entries:
            raise ArtifactError(
                f"{artifact.path}: the stored artifact is gone from Volume {self.name}.",
                hint="Run the step that made it again.",
            )
        to.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(to.parent).free < artifact.size:
            raise ArtifactError(f"{to.parent}: the disk is full: {artifact.size:,} bytes needed.")
        with tempfile.TemporaryDirectory(prefix=".part-", dir=to.parent) as temporary:
            part = Path(temporary) / "content"
            for entry in entries:
                below = os.path.relpath(entry.path, artifact.path)
                self._fetch(entry.path, part if below == "." else part / below)
            if fingerprint(part)[0] != artifact.digest:
                raise ArtifactError(
                    f"{artifact.path}: its bytes are not those of {artifact.digest[:12]}…: it is damaged.",
                    hint="Push it again, or run the step that made it again.",
                )
            part.rename(to)
        return to

    def _fetch(self, path: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for block in self._blocks(path):
                file.write(block)

    def _blocks(self, path: str) -> Iterator[bytes]:
        """A file's bytes, piece by piece; what the caller's own disk says is not taken for Modal's."""
        with speaking_to_modal(f"fetching {path}"):
            yield from self.handle.read_file(path)


def _files(path: Path, target: str) -> Iterator[tuple[str, Path]]:
    """The files of a file or folder, links followed, by their paths on the Volume."""
    if path.is_file():
        yield target, path
        return
    for folder, _, names in os.walk(path, followlinks=True):
        for name in names:
            file = Path(folder) / name
            with contextlib.suppress(FileNotFoundError):
                if file.is_file():
                    yield f"{target}/{file.relative_to(path).as_posix()}", file
