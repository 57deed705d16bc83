"""Results: what one translator answered to a dataset's questions, and how good that was."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from attrs import evolve, field, frozen

from . import metrics
from .errors import EvaluationError
from .rundir import write_json

SCHEMA = 1
"""The version of the result files."""


@frozen(kw_only=True)
class Row:
    """One question, and what came of it. A request that failed is a row too, and never right.

    Attributes:
        question: What was asked.
        expected: The query that the dataset gives.
        actual: The query that came; empty when the request failed.
        seconds: End-to-end time of the attempt that succeeded, seen from here; None when none did.
        server_seconds: The server's own part of it; None when it does not tell.
        attempts: Requests that were made.
        error: Why there is no answer; None when there is one.
        metadata: The example's own, such as `intent` and `held_out`.
        line: The example's line in its file, from 1.
    """

    question: str
    expected: str
    actual: str = ""
    seconds: float | None = None
    server_seconds: float | None = None
    attempts: int = 1
    error: str | None = None
    metadata: Mapping[str, Any] = field(factory=dict)
    line: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the request failed."""
        return self.error is not None

    @property
    def syntax_valid(self) -> bool:
        """Whether there is an answer and every operator in it is a valid one."""
        return not self.failed and metrics.syntax_valid(self.actual)

    @property
    def semantic_match(self) -> bool:
        """Whether there is an answer with at least 0.7 of what was expected."""
        return not self.failed and metrics.semantic_match(self.expected, self.actual)

    @property
    def server_valid(self) -> bool:
        """Whether there is an answer that the server accepts."""
        return not self.failed and metrics.server_valid(self.actual)

    @property
    def lint_clean(self) -> bool:
        """Whether there is an answer that the server accepts and that has no silent failure."""
        return not self.failed and metrics.lint_clean(self.actual)

    @property
    def equivalent(self) -> bool:
        """Whether there is an answer that asks the same as the expected query."""
        return not self.failed and metrics.equivalent(self.expected, self.actual)

    @property
    def right(self) -> bool:
        """Whether the answer is syntax valid and a semantic match."""
        return self.syntax_valid and self.semantic_match

    @property
    def hallucinations(self) -> tuple[metrics.Hallucination, ...]:
        """The operators in the answer that are none."""
        return metrics.hallucinations(self.actual)


@frozen
class Share:
    """How many of how many.

    Attributes:
        count: Those that count.
        total: All of them. A failed request has no answer, and is no part of a share of answers.
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 of nothing is 0."""
        return self.count / self.total if self.total else 0.0


@frozen
class Latency:
    """How long the requests that were answered took, in milliseconds.

    Attributes:
        mean: The average.
        p50: The shortest time within which half of them were answered.
        p95: The same for 95 %.
        p99: The same for 99 %.
    """

    mean: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latency | None:
        """The latency of requests that took so many seconds; None when there are none."""
        times = sorted(1000 * second for second in seconds)
        if not times:
            return None
        p50, p95, p99 = (times[math.ceil(len(times) * q / 100) - 1] for q in (50, 95, 99))
        return cls(math.fsum(times) / len(times), p50, p95, p99)


@frozen(kw_only=True)
class Results:
    """What one translator answered to a dataset's questions.

    Attributes:
        name: What the translator is called.
        rows: One a question, in the dataset's order.
        asked: Questions that were to be asked; more than there are rows when the run was interrupted.
        fingerprint: The fingerprint of the dataset that was asked; see `Dataset.fingerprint`.
        created: When the run began, in UTC.
        source: The file the dataset came from.
        cold_start_seconds: Time of the first warm-up request, which no row counts; None without warm-up.
    """

    name: str
    rows: tuple[Row, ...]
    asked: int
    fingerprint: str
    created: datetime
    source: str | None = None
    cold_start_seconds: float | None = None

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
            "cold_start_seconds": self.cold_start_seconds,
            "hallucinations": {found.name: count for found, count in self.hallucinations.items()},
        }

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
        return write(Path(path), self.to_json())

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
    theirs = dict(_keyed(other.rows))
    return [(row, theirs[key]) for key, row in _keyed(one.rows) if key in theirs]


def _keyed(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str, int], Row]]:
    """Each row under what it asks; a dataset may ask the same thing twice."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        asked = (row.question, row.expected)
        yield (*asked, seen[asked]), row
        seen[asked] += 1


def write(path: Path, body: Any) -> Path:
    """Write a JSON file of an evaluation by rename, and make the folder it goes into.

    Raises:
        EvaluationError: It cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, body)
    return path


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
    return {"count": share.count, "share": share.value}
