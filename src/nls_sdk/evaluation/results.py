"""Results: what one translator answered to a dataset's questions, and how good that was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import evolve, field, frozen

from .. import metrics
from ..errors import EvaluationError
from ..rundir import write_json
from .rows import Latency as Latency
from .rows import Row as Row
from .rows import Share as Share

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 1
"""The version of the result files."""

TOLERATED = 0.01
"""The share of requests that may fail without a doubt about the whole evaluation."""


@frozen(kw_only=True)
class Asked:
    """Who was asked what, and how.

    Attributes:
        name: What the translator is called.
        asked: Questions that were to be asked; more than there are rows when the run was interrupted.
        fingerprint: The fingerprint of the dataset that was asked; see `Dataset.fingerprint`.
        created: When the run began, in UTC.
        source: The file the dataset came from.
        cold_start_seconds: Time of the first warm-up request, which no row counts; None without warm-up.
        parameters: What decides the translator's answers, as it tells it: its model, prompt, temperature.
        repeats: How often each question was to be asked.
    """

    name: str
    asked: int
    fingerprint: str
    created: datetime
    source: str | None = None
    cold_start_seconds: float | None = None
    parameters: Mapping[str, Any] = field(factory=dict)
    repeats: int = 1


@frozen(kw_only=True)
class Results(Asked):
    """What one translator answered to a dataset's questions.

    Attributes:
        rows: One a question, in the dataset's order.
        elapsed_seconds: From the first question to the last answer; None when the run was resumed.
        cost: US dollars, where prices were told.
        stopped: Why the run ended before its last question; empty when it did not, or was interrupted.
    """

    rows: tuple[Row, ...]
    elapsed_seconds: float | None = None
    cost: float | None = None
    stopped: str = ""

    @property
    def partial(self) -> bool:
        """Whether the run was interrupted, so that questions are missing."""
        return len(self.rows) < self.asked

    @property
    def syntax_valid(self) -> Share:
        """The answers that are syntax valid."""
        return self._share(row.syntax_valid for row in self.rows)

    @property
    def semantic_match(self) -> Share:
        """The answers that are a semantic match."""
        return self._share(row.semantic_match for row in self.rows)

    @property
    def server_valid(self) -> Share:
        """The answers that the server accepts."""
        return self._share(row.server_valid for row in self.rows)

    @property
    def lint_clean(self) -> Share:
        """The answers that the server accepts and that have no silent failure."""
        return self._share(row.lint_clean for row in self.rows)

    @property
    def equivalent(self) -> Share:
        """The answers that ask the same as what was expected."""
        return self._share(row.equivalent for row in self.rows)

    @property
    def latency(self) -> Latency | None:
        """End-to-end time of the warm requests that were answered; None when none was."""
        return Latency.of(row.seconds for row in self.rows if row.seconds is not None)

    @property
    def server_latency(self) -> Latency | None:
        """The server's own part of it, the network left out; None when it does not tell."""
        return Latency.of(row.server_seconds for row in self.rows if row.server_seconds is not None)

    @property
    def network_latency(self) -> Latency | None:
        """What is left of the end-to-end time without the server's own; None when it does not tell."""
        return Latency.of(row.network_seconds for row in self.rows if row.network_seconds is not None)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows whose request failed."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def answered(self) -> int:
        """The number of rows that hold an answer."""
        return len(self.rows) - len(self.failures)

    @property
    def hallucinations(self) -> Mapping[metrics.Hallucination, int]:
        """The hallucinations with the rows that have each, the commonest first."""
        return dict(Counter(found for row in self.rows for found in row.hallucinations).most_common())

    def slices(self, key: str) -> Mapping[str, Results]:
        """The rows apart by what their metadata says under a key; rows without it are left out."""
        apart: dict[str, list[Row]] = {}
        for row in self.rows:
            if (value := row.metadata.get(key)) is not None:
                apart.setdefault(str(value), []).append(row)
        return {value: self.only(rows) for value, rows in sorted(apart.items())}

    def only(self, rows: Iterable[Row]) -> Results:
        """The same run, looked at through some of its rows."""
        kept = tuple(rows)
        return evolve(self, rows=kept, asked=len(kept))

    def summary(self) -> dict[str, Any]:
        """The figures, as plain JSON values; latencies in milliseconds."""
        return {
            "name": self.name,
            "questions": len(self.rows),
            "asked": self.asked,
            "failed": len(self.failures),
            "syntax_valid": _share_json(self.syntax_valid),
            "semantic_match": _share_json(self.semantic_match),
            "server_valid": _share_json(self.server_valid),
            "lint_clean": _share_json(self.lint_clean),
            "equivalent": _share_json(self.equivalent),
            "latency_ms": msgspec.to_builtins(self.latency),
            "server_latency_ms": msgspec.to_builtins(self.server_latency),
            "network_latency_ms": msgspec.to_builtins(self.network_latency),
            "cold_start_seconds": self.cold_start_seconds,
            "elapsed_seconds": self.elapsed_seconds,
            "cost": self.cost,
            "hallucinations": {found.name: count for found, count in self.hallucinations.items()},
        }

    def to_records(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries with what follows from them; metadata under `metadata.NAME`."""
        found = []
        for row, values in zip(self.rows, self.to_json()["rows"], strict=True):
            del values["metadata"]
            metadata = {f"metadata.{name}": value for name, value in row.metadata.items()}
            found.append({"name": self.name, **values, "right": row.right, **metadata})
        return found

    def to_pandas(self) -> DataFrame:
        """The rows as a pandas table; pandas is no dependency.

        Raises:
            EvaluationError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise EvaluationError("pandas is not installed.", hint="`pip install pandas`") from None
        return DataFrame(self.to_records())

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain JSON values, with what follows from the rows for whoever reads the file."""
        body = msgspec.to_builtins(self)
        for row, values in zip(self.rows, body["rows"], strict=True):
            values["syntax_valid"] = row.syntax_valid
            values["semantic_match"] = row.semantic_match
            values["server_valid"] = row.server_valid
            values["lint_clean"] = row.lint_clean
            values["equivalent"] = row.equivalent
            values["hallucinations"] = [found.name for found in row.hallucinations]
        return {"schema": SCHEMA, "summary": self.summary(), **body}

    @classmethod
    def from_json(cls, body: Any) -> Results:
        """Read back what `to_json` made; what follows from the rows is worked out anew.

        Raises:
            ValueError: It is something else.
        """
        if not isinstance(body, dict) or "rows" not in body:
            raise ValueError("not an evaluation")
        if body.get("schema") != SCHEMA:
            raise ValueError(f"an evaluation of schema {body.get('schema')!r}, expected {SCHEMA}")
        return msgspec.convert(body, type=cls)

    def write(self, path: str | Path) -> Path:
        """Write an evaluation file, by rename: never half of one.

        Raises:
            EvaluationError: It cannot be written.
        """
        file = Path(path)
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, self.to_json())
        return file

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Read an evaluation file.

        Raises:
            EvaluationError: There is no such file, or it is not one.
        """
        file = Path(path)
        try:
            return cls.from_json(json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise EvaluationError(
                f"{file}: no such evaluation file.", hint="`nls-finetune eval run` makes one."
            ) from None
        except OSError as error:
            raise EvaluationError(f"{file}: cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            raise EvaluationError(
                f"{file}: not an evaluation file: {error}.", hint="Make it again with `nls-finetune eval`."
            ) from None

    def _share(self, hits: Iterable[bool]) -> Share:
        return Share(sum(hits), self.answered)


def pair_rows(one: Results, other: Results) -> list[tuple[Row, Row]]:
    """The rows of both that ask the same question and expect the same query, in the order of the first."""
    theirs = dict(keyed(other.rows))
    return [(row, theirs[key]) for key, row in keyed(one.rows) if key in theirs]


def keyed(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str, int], Row]]:
    """Each row under what it asks; a dataset may ask the same thing twice."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        asked = (row.question, row.expected)
        yield (*asked, seen[asked]), row
        seen[asked] += 1


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file by rename, and make the folder it goes into; into a device or a pipe as it is.

    Raises:
        EvaluationError: It cannot be written.
    """
    file = Path(path)
    # A lone surrogate cannot be written; it is shown as the escape that it came as.
    body = text.encode("utf-8", "backslashreplace")
    with writing(file):
        target = file.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(body)
            return file
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        try:
            temporary.write_bytes(body)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return file


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says against writing a path into an `EvaluationError`."""
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be written: {error.strerror}.", hint="Make room, or choose another folder."
        ) from None


def _share_json(share: Share) -> dict[str, float]:
    interval = share.interval
    return {"count": share.count, "share": share.value, "low": interval.low, "high": interval.high}
