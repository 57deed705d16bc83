"""Answers to judge, so many right and so many wrong."""

from __future__ import annotations

from datetime import UTC, datetime

from nls_sdk.evaluation.results import Results, Row


def rows(right: int, wrong: int, seconds: float = 0.05, **metadata: str) -> list[Row]:
    """So many right answers, then wrong ones."""
    return [
        Row(
            question=f"find go files {i} {metadata}",
            expected="lang:go",
            actual="lang:go" if i < right else "repo:x",
            seconds=seconds + i / 1e6,
            metadata=metadata,
        )
        for i in range(right + wrong)
    ]


def results(found: list[Row], repeats: int = 1) -> Results:
    return Results(
        name="m",
        rows=tuple(found),
        asked=len(found),
        fingerprint="f",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        repeats=repeats,
    )
