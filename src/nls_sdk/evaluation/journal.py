"""Journal: an evaluation under way, on disk. Each answer is a line, written when it comes.

The first line says what is asked, whom, and how; each other line is a row with its place (`at`). Whoever is
killed loses no line that was written, and a last line that was cut off is no line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import msgspec
from attrs import frozen

from ..errors import EvaluationError
from .results import Asked, Results, writing
from .rows import Row

JOURNAL_SCHEMA = 1
"""The version of the journal files."""

_DECODER = msgspec.json.Decoder()


@frozen(kw_only=True)
class Header(Asked):
    """What a journal's first line says.

    Attributes:
        seed: Decides the order of the questions, and which of them are a sample.
    """

    seed: int = 0

    def differences(self, other: Header) -> list[str]:
        """What must be the same in two halves of one evaluation, and is not."""
        names = ("name", "fingerprint", "asked", "repeats", "seed")
        found = [name for name in names if getattr(self, name) != getattr(other, name)]
        keys = {*self.parameters, *other.parameters}
        return found + sorted(key for key in keys if self.parameters.get(key) != other.parameters.get(key))


class Journal:
    """The file of one evaluation, open for writing; only one process may have it open.

    Attributes:
        path: The file.
        header: What its first line says.
        resumed: Rows that were there when it was opened, and that stay.
    """

    def __init__(self, path: Path, header: Header, *, retry_failed: bool = False) -> None:
        """Begin a file, or go on with the one that is there.

        Args:
            path: The file.
            header: What is asked, whom and how; the one that is there must say the same.
            retry_failed: Ask again what failed.

        Raises:
            EvaluationError: The file is of another evaluation, is no journal, or cannot be written.
        """
        self.path = path
        self._lock, self._done, self.resumed = Lock(), bytearray(), 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _claim(self._fd, path)
            length = _whole_length(path)
            os.ftruncate(self._fd, length)
            if length:
                self.header = read_header(path)
                _refuse_other(path, self.header, header)
                self._load(retry_failed)
            else:
                self.header = header
                self._write({"schema": JOURNAL_SCHEMA, **msgspec.to_builtins(header)})
        except BaseException:
            os.close(self._fd)
            raise

    def __contains__(self, place: int) -> bool:
        return place >> 3 < len(self._done) and bool(self._done[place >> 3] & 1 << (place & 7))

    def add(self, place: int, row: Row) -> None:
        """Write a row, from any thread.

        Raises:
            EvaluationError: It cannot be written.
        """
        self._write({"at": place, **_sparse(row)})
        self._mark(place)

    def close(self) -> None:
        """Let another process have it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Delete the file, once its rows are kept elsewhere."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write(self, value: Any) -> None:
        line = msgspec.json.encode(value) + b"\n"
        with self._lock, writing(self.path):
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(28, "No space left on device")

    def _load(self, retry_failed: bool) -> None:
        for place, row in read_rows(self.path):
            if row.failed and retry_failed:
                continue
            self.resumed += place not in self
            self._mark(place)

    def _mark(self, place: int) -> None:
        with self._lock:
            if place >> 3 >= len(self._done):
                self._done.extend(bytes((place >> 3) - len(self._done) + 1))
            self._done[place >> 3] |= 1 << (place & 7)


def read_header(path: Path) -> Header:
    """What the first line of a journal says.

    Raises:
        EvaluationError: There is no such file, or it is no journal.
    """
    try:
        with path.open("rb") as file:
            body = _DECODER.decode(file.readline())
        if body.get("schema") != JOURNAL_SCHEMA:
            raise ValueError(f"schema {body.get('schema')!r}, expected {JOURNAL_SCHEMA}")
        return msgspec.convert(body, type=Header)
    except FileNotFoundError:
        raise EvaluationError(f"{path}: no such evaluation file.") from None
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, AttributeError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{path}: not the journal of an evaluation: {error}.") from None


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a journal with their places, in the order they came; one at a time, however many.

    Raises:
        EvaluationError: A line is not one; it is named.
    """
    with path.open("rb") as file:
        file.readline()
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                return
            try:
                body = _DECODER.decode(line)
                yield body.pop("at"), msgspec.convert(body, type=Row)
            except (KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
                raise EvaluationError(f"{path}:{number}: not a row of an evaluation: {error}.") from None


def read_journal(path: Path) -> Results:
    """The results so far, in the dataset's order; of a place with two rows, the later.

    Raises:
        EvaluationError: There is no such file, or it is no journal.
    """
    header = read_header(path)
    rows = dict(read_rows(path))
    return results_of(header, [rows[place] for place in sorted(rows)])


def results_of(header: Header, rows: list[Row], **more: Any) -> Results:
    """Rows as the results of what a header says."""
    values = attrs.asdict(header, recurse=False)
    del values["seed"]
    return Results(rows=tuple(rows), **{**values, **more})


def _sparse(row: Row) -> dict[str, Any]:
    """A row without what has its default."""
    return {
        each.name: value
        for each in attrs.fields(Row)
        if (value := getattr(row, each.name)) not in (None, "", {}) or each.name in ("question", "expected")
    }


def _whole_length(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def _refuse_other(path: Path, kept: Header, wanted: Header) -> None:
    if different := kept.differences(wanted):
        raise EvaluationError(
            f"{path}: the evaluation begun there had another {', '.join(different)}.",
            hint="Begin a new one, or go on with that one as it was begun.",
        )


def _claim(fd: int, path: Path) -> None:
    """Take the file for this process, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise EvaluationError(
            f"{path}: another process is at this evaluation.", hint="Let it end, or stop it."
        ) from None
