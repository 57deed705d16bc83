"""The report as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..results import Row

if TYPE_CHECKING:
    from ..report import Report

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")


def markdown(report: Report, *, examples: int = 5) -> str:
    """Write a report as Markdown.

    Args:
        report: The report.
        examples: Wrong answers that are shown of each class, folded away.
    """
    titles = [_plain(title) for title in report.titles]
    parts = [
        f"## {'✅' if report.passed else '❌'} Evaluation of {_plain(report.model.name)}",
        _table(
            ("Metric", *titles, "Target", "Status"),
            [(line.metric, line.model, line.baseline, line.target, line.status) for line in report.lines],
        ),
        "\n".join(f"- {_plain(note)}" for note in report.verdict_notes),
    ]
    for miss, rows in report.misses.items():
        shown = "\n".join(_example(row) for row in rows[:examples])
        more = f"\n- and {len(rows) - examples} more" if len(rows) > examples else ""
        summary = f"<details><summary>{len(rows)} {miss}</summary>"
        parts.append(f"{summary}\n\n{shown}{more}\n\n</details>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ("---", "---:", "---:", "---:", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _example(row: Row) -> str:
    got = f"no answer: {_plain(row.error)}" if row.error else _code(row.actual)
    return f"- {_plain(row.question)}<br>expected {_code(row.expected)}, got {got}"


def _plain(text: str) -> str:
    """Text that is no markup, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Text between more backticks than it holds in succession."""
    line = " ".join(text.split())
    if not line:
        return "nothing"
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"
