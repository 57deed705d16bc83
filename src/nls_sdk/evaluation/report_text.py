"""How a report reads: its table in box-drawing characters, and the notes below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import shorten

from .analysis import Paired, Slice
from .results import Latency, Results, Share
from .statistics import Repeats

_SIDES = "<>>>^"
_SLICE = "held_out"
_SHOWN = 5
_QUESTION = 80


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw a table of metric, model, baseline, target and status.

    The metric stands to the left, the status in the middle, figures to the right; the two columns of answers
    are equally wide.
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    widths[1] = widths[2] = max(widths[1], widths[2])

    def border(left: str, between: str, right: str) -> str:
        return left + between.join("─" * (width + 2) for width in widths) + right

    def line(cells: Sequence[str]) -> str:
        placed = (f"{cell:{side}{width}}" for cell, side, width in zip(cells, _SIDES, widths, strict=True))
        return f"│ {' │ '.join(placed)} │"

    return "\n".join(
        [border("┌", "┬", "┐"), line(heads), border("├", "┼", "┤"), *map(line, rows), border("└", "┴", "┘")]
    )


def share(part: Share, target: float = 0.0) -> str:
    """`49/50 (98%)`; rounded down where rounding would hide that a target is missed."""
    percent = round(100 * part.value)
    if part.value < target <= percent / 100:
        percent = math.floor(100 * part.value)
    return f"{part.count}/{part.total} ({percent}%)"


def milliseconds(value: float, target: float = math.inf) -> str:
    """`2167ms`; rounded up where rounding would hide that a target is missed."""
    shown = round(value)
    return f"{math.ceil(value) if shown <= target < value else shown}ms"


def figures(title: str, results: Results) -> str:
    """Who was asked how much, and how long it took."""
    parts = [results.name] if results.name != title else []
    asked = f" of {results.asked}, {results.stopped or 'interrupted'}" if results.partial else ""
    parts.append(f"{len(results.rows)} questions{asked}")
    if latency := results.latency:
        parts.append(f"latency {_percentiles(latency)}")
    if server := results.server_latency:
        parts.append(f"server alone {_percentiles(server)}")
    if network := results.network_latency:
        parts.append(f"network {_percentiles(network)}")
    if results.cold_start_seconds is not None:
        parts.append(f"first request {results.cold_start_seconds:.2f}s")
    if results.cost is not None:
        parts.append(f"cost ${results.cost:.4f}")
    return "; ".join(parts)


def side_notes(title: str, results: Results) -> list[str]:
    """Held-out rows, what the server makes of the answers, failed requests, hallucinations: a line each."""
    total = len(results.rows)
    notes = [
        f"{title}, {_SLICE}={value}: syntax valid {share(part.syntax_valid)}, "
        f"semantic match {share(part.semantic_match)}"
        for value, part in results.slices(_SLICE).items()
    ]
    notes.append(
        f"{title}: server valid {share(results.server_valid)}, lint clean {share(results.lint_clean)}, "
        f"equivalent {share(results.equivalent)}"
    )
    if failed := results.failures:
        first = f"the first: {shorten(failed[0].question, _QUESTION)!r}: {failed[0].error}"
        notes.append(f"{title}: {len(failed)} of {total} requests failed and are judged no answer; {first}")
    found = list(results.hallucinations.items())
    notes += [f"{title} hallucinates {each} ({count} of {total})" for each, count in found[:_SHOWN]]
    if len(found) > _SHOWN:
        notes.append(f"{title} hallucinates {len(found) - _SHOWN} other operators")
    return notes


def paired_note(found: Paired, titles: tuple[str, str]) -> str:
    """Whether two differ by more than chance."""
    said = "more than noise" if found.significant else "may be noise"
    note = (
        f"Right alone: {titles[0]} {found.one_only}, {titles[1]} {found.other_only} "
        f"of {found.total} questions; "
        f"{said} (McNemar p={found.p_value:.3g})"
    )
    if found.latency_ms is not None:
        low, high = found.latency_ms.low, found.latency_ms.high
        note += f"; latency {titles[0]} less {titles[1]}: {low:+.0f} to {high:+.0f}ms"
    return note


def slice_note(found: Slice) -> str:
    """A slice that differs from the rest."""
    return f"{found.key} {found.value} {share(found.model)}, p={found.p_value:.2g}"


def repeats_note(found: Repeats) -> str:
    """How far repeated answers agree."""
    return (
        f"Repeats: {found.steady:.0%} of {found.questions} questions always the same; "
        f"variance within a question {found.within:.3f}, between questions {found.between:.3f}"
    )


def _percentiles(latency: Latency) -> str:
    return f"p50 {latency.p50:.0f}ms, p95 {latency.p95:.0f}ms, p99 {latency.p99:.0f}ms"
