"""Comparison: what changed from one evaluation to another, and whether it is noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import msgspec
from attrs import frozen

from ..errors import EvaluationError
from .analysis import Paired, paired, right_alone
from .results import TOLERATED, Latency, Results, Row, Share, pair_rows
from .statistics import holm, mcnemar

ALPHA = 0.05
"""How often noise alone is called a change."""

_METRICS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("Syntax Valid", lambda row: row.syntax_valid),
    ("Semantic Match", lambda row: row.semantic_match),
    ("Server Valid", lambda row: row.server_valid),
    ("Equivalent", lambda row: row.equivalent),
)


@frozen
class Change:
    """How one metric changed.

    Attributes:
        metric: What is measured.
        before: The share before, of the questions that both answered.
        after: The share after, of the same.
        gained: Questions that became right by it; of several answers, more often.
        lost: Questions that became wrong by it.
        p_value: McNemar's exact test, corrected for how many metrics are looked at.
    """

    metric: str
    before: Share
    after: Share
    gained: int
    lost: int
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether the change is more than noise."""
        return self.p_value <= ALPHA

    @property
    def regressed(self) -> bool:
        """Whether it is for the worse, and more than noise."""
        return self.significant and self.lost > self.gained

    def __str__(self) -> str:
        said = "noise" if not self.significant else "worse" if self.regressed else "better"
        return (
            f"{self.metric}: {self.before.value:.1%} → {self.after.value:.1%}, "
            f"+{self.gained} -{self.lost} questions, p={self.p_value:.3g}: {said}"
        )


@frozen
class Comparison:
    """Two evaluations on the questions that both answered. `str(comparison)` tells it.

    Attributes:
        before: The earlier one, or the one that is the measure.
        after: The other.
        asked: The rows of both on the same questions.
    """

    before: Results
    after: Results
    asked: tuple[tuple[Row, Row], ...]

    @classmethod
    def of(cls, before: Results, after: Results) -> Comparison:
        """Compare two results.

        Raises:
            EvaluationError: They answered no question in common.
        """
        found = cls(before, after, tuple(pair_rows(before, after)))
        if not found.pairs:
            raise EvaluationError(
                f"{before.name} and {after.name} answered no question in common.",
                hint="Evaluate both on the same data.",
            )
        return found

    @cached_property
    def pairs(self) -> tuple[tuple[Row, Row], ...]:
        """Those of them where neither request failed."""
        return tuple((one, other) for one, other in self.asked if not one.failed and not other.failed)

    @property
    def failed(self) -> tuple[int, int]:
        """The requests of each that failed, on the questions that both were asked."""
        return sum(one.failed for one, _ in self.asked), sum(other.failed for _, other in self.asked)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """How each metric changed."""
        found = []
        for metric, holds in _METRICS:
            hits = [(holds(one), holds(other)) for one, other in self.pairs]
            lost, gained = right_alone(self.pairs, holds)
            before, after = (Share(sum(side), len(hits)) for side in zip(*hits, strict=True))
            found.append(Change(metric, before, after, gained, lost, mcnemar(gained, lost)))
        corrected = holm([change.p_value for change in found])
        return tuple(
            Change(each.metric, each.before, each.after, each.gained, each.lost, p_value)
            for each, p_value in zip(found, corrected, strict=True)
        )

    @cached_property
    def right(self) -> Paired:
        """The same for right answers as a whole, with the latency: after less before."""
        return paired([(after, before) for before, after in self.pairs])

    @property
    def slower(self) -> bool:
        """Whether the latency grew by more than noise, and by more than a twentieth."""
        around = self.right.latency_ms
        latency = Latency.of(one.seconds for one, _ in self.pairs if one.seconds is not None)
        return around is not None and latency is not None and around.low > latency.mean / 20

    @property
    def regressed(self) -> bool:
        """Whether a metric got worse by more than noise, the latency grew so, or more requests fail.

        Failures count when they are more than the earlier ones by more than one in a hundred questions.
        """
        before, after = self.failed
        more = after - before > TOLERATED * len(self.asked)
        return self.slower or more or any(change.regressed for change in self.changes)

    @property
    def worse(self) -> Sequence[tuple[Row, Row]]:
        """What was right and is wrong."""
        return [(one, other) for one, other in self.pairs if one.right and not other.right]

    @property
    def better(self) -> Sequence[tuple[Row, Row]]:
        """What was wrong and is right."""
        return [(one, other) for one, other in self.pairs if other.right and not one.right]

    def __str__(self) -> str:
        lines = [f"{self.before.name} → {self.after.name}, {len(self.pairs)} questions that both answered"]
        lines += [str(change) for change in self.changes]
        if (around := self.right.latency_ms) is not None:
            small = "slower, but maybe by less than a twentieth" if around.low > 0 else "noise"
            said = "slower" if self.slower else "faster" if around.high < 0 else small
            lines.append(f"Latency: {around.low:+.0f} to {around.high:+.0f}ms: {said}")
        if any(self.failed):
            lines.append("Failed requests: {} → {}".format(*self.failed))
        lines.append("REGRESSED" if self.regressed else "No regression")
        return "\n".join(lines)

    def differences(self, limit: int = 10) -> str:
        """The questions that became wrong, then those that became right, at most `limit` of each."""
        lines = []
        for title, pairs in (("Became wrong", self.worse), ("Became right", self.better)):
            lines.append(f"{title}: {len(pairs)}")
            for one, other in pairs[:limit]:
                lines += [
                    f"  {one.question}",
                    f"    expected: {one.expected}",
                    f"    before:   {one.actual}",
                    f"    after:    {other.actual}",
                ]
            lines += [f"  and {len(pairs) - limit} more"] if len(pairs) > limit else []
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """The figures, as plain JSON values."""
        return {
            "before": self.before.name,
            "after": self.after.name,
            "questions": len(self.pairs),
            "regressed": self.regressed,
            "changes": [
                {**msgspec.to_builtins(each), "significant": each.significant} for each in self.changes
            ],
            "right": msgspec.to_builtins(self.right),
            "slower": self.slower,
            "failed": dict(zip(("before", "after"), self.failed, strict=True)),
        }
