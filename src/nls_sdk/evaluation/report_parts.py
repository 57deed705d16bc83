"""What a report is made of: the rows of its table, and the answers to each question side by side."""

from __future__ import annotations

from attrs import frozen

from ..metrics import Verdict, verdict
from .results import Row


@frozen
class Pair:
    """Two answers to the same question.

    Attributes:
        model: The model's row.
        baseline: The baseline's row.
    """

    model: Row
    baseline: Row

    @property
    def verdict(self) -> Verdict | None:
        """Which of the two is right; None when a request failed."""
        if self.model.failed or self.baseline.failed:
            return None
        return verdict(self.model.right, self.baseline.right)


@frozen
class Line:
    """One row of the report's table.

    Attributes:
        metric: What is measured.
        model: The model's figure.
        baseline: The baseline's figure; `-` when there is none.
        target: What the model's figure is to be.
        passed: Whether it is.
    """

    metric: str
    model: str
    baseline: str
    target: str
    passed: bool

    @property
    def status(self) -> str:
        """PASS or FAIL."""
        return "PASS" if self.passed else "FAIL"
