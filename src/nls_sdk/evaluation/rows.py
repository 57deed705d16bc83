"""Row: one question and what came of it; and the figures that rows add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from .. import metrics
from .statistics import Interval, wilson


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
        repeat: Which asking of the question this is, from 0.
        finish_reason: Why the model stopped, as the server tells it: `stop`, `length`.
        model: The model that answered, as the server names it.
        tokens_in: Tokens of the prompt, as the server counts them.
        tokens_out: Tokens of the answer.
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
    repeat: int = 0
    finish_reason: str | None = None
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the request failed."""
        return self.error is not None

    @cached_property
    def syntax_valid(self) -> bool:
        """Whether there is an answer and every operator in it is a valid one."""
        return not self.failed and bool(self.actual.strip()) and not self.hallucinations

    @cached_property
    def semantic_match(self) -> bool:
        """Whether there is an answer with at least 0.7 of what was expected."""
        return not self.failed and metrics.semantic_match(self.expected, self.actual)

    @cached_property
    def server_valid(self) -> bool:
        """Whether there is an answer that the server accepts."""
        return not self.failed and metrics.server_valid(self.actual)

    @cached_property
    def lint_clean(self) -> bool:
        """Whether there is an answer that the server accepts and that has no silent failure."""
        return not self.failed and metrics.lint_clean(self.actual)

    @cached_property
    def equivalent(self) -> bool:
        """Whether there is an answer that asks the same as the expected query."""
        return not self.failed and metrics.equivalent(self.expected, self.actual)

    @property
    def right(self) -> bool:
        """Whether the answer is syntax valid and a semantic match."""
        return self.syntax_valid and self.semantic_match

    @property
    def network_seconds(self) -> float | None:
        """The time that was not the server's own; None when the server does not tell its own."""
        if self.seconds is None or self.server_seconds is None:
            return None
        return max(0.0, self.seconds - self.server_seconds)

    @cached_property
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

    @property
    def interval(self) -> Interval:
        """Where the true share lies, by Wilson's method."""
        return wilson(self.count, self.total)


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
