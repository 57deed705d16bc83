"""`query`: what the server makes of Sourcegraph queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import click

from ..errors import DataError
from ..sourcegraph import PatternType, QueryError, explain, format, lint, validate
from .app import App, shared

_DASHES = {"ignore_unknown_options": True}  # a query may begin with a negated filter
_PATTERN_TYPES = [each.value for each in PatternType]


@click.group()
def query() -> None:
    """Check, explain or format Sourcegraph queries."""


def _queries(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which queries are meant, and how their terms are read."""
    for decorate in (
        click.option(
            "--pattern-type",
            type=click.Choice(_PATTERN_TYPES),
            default="keyword",
            show_default=True,
            help="How terms are read.",
        ),
        click.option(
            "--file", "file", type=click.Path(path_type=Path), help="Queries from a file, one a line."
        ),
        click.argument("text", required=False, metavar="QUERY"),
    ):
        command = decorate(command)
    return command


@query.command(context_settings=_DASHES)
@_queries
@shared
def check(app: App, text: str | None, file: Path | None, pattern_type: str) -> None:
    """Find why the server would refuse a query, and what it would silently not do."""
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for place, each in _given(text, file):
        faults, silent = validate(each, pattern_type), lint(each, pattern_type)
        rows.append(
            {
                "query": each,
                "server_valid": not faults,
                "lint_clean": not faults and not silent,
                "findings": [attrs.asdict(finding) for finding in (*faults, *silent)],
            }
        )
        lines += [f"{place}{finding}" for finding in (*faults, *silent)]
    bad = sum(not row["lint_clean"] for row in rows)
    lines.append(f"{bad} of {len(rows)} queries have findings." if bad else f"{len(rows)} checked, all fine.")
    app.answer({"ok": not bad, "queries": rows}, "\n".join(lines))
    if bad:
        raise SystemExit(1)


@query.command(name="explain", context_settings=_DASHES)
@_queries
@shared
def explain_(app: App, text: str | None, file: Path | None, pattern_type: str) -> None:
    """Say in plain English what a query does."""
    rows = [(place, each, explain(each, pattern_type)) for place, each in _given(text, file)]
    app.answer(
        {"queries": [{"query": each, "explanation": said} for _, each, said in rows]},
        "\n".join(place + said for place, _, said in rows),
    )


@query.command(name="format", context_settings=_DASHES)
@_queries
@shared
def format_(app: App, text: str | None, file: Path | None, pattern_type: str) -> None:
    """Render a query cleanly, without changing what it asks."""
    rows = []
    for place, each in _given(text, file):
        try:
            rows.append({"query": each, "formatted": format(each, pattern_type)})
        except QueryError as error:
            raise DataError(f"{place}{error.message}", path=None, hint=error.finding.fix) from None
    app.answer({"queries": rows}, "\n".join(row["formatted"] for row in rows))


def _given(text: str | None, file: Path | None) -> Iterable[tuple[str, str]]:
    """The queries, each with the place that its findings are told under."""
    if (text is None) == (file is None):
        raise click.UsageError("Give a QUERY or --file, one of them.")
    if file is None:
        return [("", text or "")]
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"cannot be read: {reason}.", path=file) from None
    return [(f"{file}:{number}: ", line.rstrip("\r")) for number, line in enumerate(lines, 1) if line.strip()]
