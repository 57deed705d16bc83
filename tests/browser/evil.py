"""A report on questions and answers that mean harm, for the tests of the HTML report."""

from __future__ import annotations

from datetime import UTC, datetime

from nls_sdk.evaluation.report import Report
from nls_sdk.evaluation.results import Results, Row

EVIL = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "{{ 7 * 7 }} <!-- <script> \u2028 ]]> &lt;b&gt;",
    "javascript:alert(1)",
)
ANSWERS = ("lang:go needle", "lang:python needle", "path:src needle", "", "I'm sorry, I cannot.")


def row(place: int, shift: int) -> Row:
    """A row whose question, answer, error and metadata are all somebody else's text."""
    evil = EVIL[place % len(EVIL)] if place % 4 == 0 else "find needle in go"
    failed = place % 50 == 49
    answer = evil if place % 4 == 0 and place % 8 else ANSWERS[(place + shift) // 3 % len(ANSWERS)]
    return Row(
        question=f"{evil} {place}",
        expected="lang:go needle",
        actual="" if failed else answer,
        seconds=None if failed else 0.05 + place % 7 / 100 + shift / 10,
        error=f"no answer: {EVIL[0]}" if failed else None,
        metadata={"intent": evil, EVIL[2]: EVIL[1]},
        line=place + 1,
    )


def results(name: str, total: int, shift: int) -> Results:
    """So many rows of a translator whose name means harm too."""
    return Results(
        name=name,
        rows=tuple(row(place, shift) for place in range(total)),
        asked=total,
        fingerprint="f",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        source=EVIL[0],
        parameters={"system": EVIL[1], EVIL[0]: 1},
    )


def evil_report(total: int) -> Report:
    """The report on all that."""
    model, baseline = results(EVIL[0], total, 0), results(EVIL[1], total, 5)
    return Report.of(model, baseline, titles=(f"A{EVIL[0]}", f"B{EVIL[1]}"))
