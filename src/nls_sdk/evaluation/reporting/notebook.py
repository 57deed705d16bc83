"""A report as a notebook shows it: the table and the notes, without style or script of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from ..report import Report


def notebook(report: Report) -> str:
    """Write a report's table and notes as a fragment of HTML; everything in it is escaped."""
    heads = Markup("").join(
        Markup("<th>{}</th>").format(head) for head in ("Metric", *report.titles, "Target", "Status")
    )
    lines = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells))
        for cells in (
            (line.metric, line.model, line.baseline, line.target, line.status) for line in report.lines
        )
    )
    notes = Markup("").join(Markup("<li>{}</li>").format(note) for note in report.verdict_notes)
    return str(
        Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table><ul>{}</ul>").format(
            heads, lines, notes
        )
    )
