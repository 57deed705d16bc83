"""How good an answer is: pure functions of the query that was expected and the one that came.

An answer is right when it is syntax valid and a semantic match. What counts as an operator is defined in
`nls_sdk.sourcegraph.operators`. Beside that stands what the server makes of it: `server_valid`, `lint_clean`
and `equivalent` read the query as it does, and decide nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from .sourcegraph.operators import OPERATOR, QUOTED, URL, Hallucination, hallucinations, operators

if TYPE_CHECKING:
    from .sourcegraph import Finding

__all__ = [
    "LATENCY_TARGET_MS",
    "OVERLAP_THRESHOLD",
    "SEMANTIC_TARGET",
    "SYNTAX_TARGET",
    "Hallucination",
    "Verdict",
    "equivalent",
    "findings",
    "hallucinations",
    "keywords",
    "lint_clean",
    "operators",
    "overlap",
    "right",
    "semantic_match",
    "server_valid",
    "syntax_valid",
    "verdict",
]

SYNTAX_TARGET = 0.95
"""Share of answers that must be syntax valid."""

SEMANTIC_TARGET = 0.70
"""Share of answers that must be a semantic match."""

LATENCY_TARGET_MS = 100.0
"""Mean end-to-end time of a warm request, in milliseconds, that must not be exceeded."""

OVERLAP_THRESHOLD = 0.7
"""The overlap from which an answer is a semantic match."""

# The value goes with its operator, except that of `content:`, which is what to search for.
_FILTER = re.compile(
    rf"(?P<term>{QUOTED}|{URL})|{OPERATOR}(?:(?<=content:)|{QUOTED}|\S*)", re.IGNORECASE | re.DOTALL
)
_WORD = re.compile(r"\w+")
_CONNECTIVES = frozenset({"and", "or", "not"})


class Verdict(StrEnum):
    """Which of two answers to a question is right."""

    TIE = "tie"
    FINE_TUNED_BETTER = "fine_tuned_better"
    BASELINE_BETTER = "baseline_better"
    BOTH_WRONG = "both_wrong"


def syntax_valid(query: str) -> bool:
    """Whether every operator in the query is in the closed list. A blank query is not valid."""
    return bool(query.strip()) and not hallucinations(query)


def overlap(expected: str, actual: str) -> float:
    """The share of what was expected that is there, 0 to 1: `|expected ∩ actual| / |expected|` of operators.

    Operators count by name, whatever their values; more of them than expected do no harm. When none is
    expected, keywords are counted instead. A blank answer has nothing of it.
    """
    if not actual.strip():
        return 0.0
    of = operators if operators(expected) else keywords
    wanted = of(expected)
    return len(wanted & of(actual)) / len(wanted) if wanted else 1.0


def keywords(query: str) -> frozenset[str]:
    """The words that a query searches for, in lower case.

    These are the runs of letters, digits and `_` in its search terms, strings in quotes and values of
    `content:`, without `and`, `or` and `not`; in a query with no such word, the terms between white space.
    """
    text = _FILTER.sub(lambda found: found["term"] or " ", query).lower()
    words = frozenset(_WORD.findall(text)) - _CONNECTIVES
    return words or frozenset(text.split())


def semantic_match(expected: str, actual: str) -> bool:
    """Whether the answer captures the intent: the overlap is at least 0.7."""
    return overlap(expected, actual) >= OVERLAP_THRESHOLD


def right(expected: str, actual: str) -> bool:
    """Whether the answer is syntax valid and a semantic match."""
    return syntax_valid(actual) and semantic_match(expected, actual)


def server_valid(query: str) -> bool:
    """Whether the server accepts the query. A blank query is not an answer."""
    return _at_server(query)[0]


def lint_clean(query: str) -> bool:
    """Whether the server accepts the query and does all that it says."""
    return _at_server(query)[1]


def equivalent(expected: str, actual: str) -> bool:
    """Whether both queries ask the same, however they are spelt; see `nls_sdk.sourcegraph.canonical`."""
    from .sourcegraph import equivalent as same

    return bool(actual.strip()) and same(expected, actual)


def findings(query: str) -> tuple[Finding, ...]:
    """Why the server would refuse the query and what it silently does not do, with places and fixes."""
    from .sourcegraph import lint, validate

    return (*validate(query), *lint(query))


@lru_cache(maxsize=16384)
def _at_server(query: str) -> tuple[bool, bool]:
    """Whether a query is `server_valid` and `lint_clean`, from one reading of it."""
    from .sourcegraph import QueryError, lint, parse, validate

    try:
        read = parse(query)
    except QueryError:
        return False, False
    valid = bool(query.strip()) and not validate(read)
    return valid, valid and not lint(read)


def verdict(fine_tuned: bool, baseline: bool) -> Verdict:
    """The verdict on a question, from whether each of the two answers is right."""
    match fine_tuned, baseline:
        case True, True:
            return Verdict.TIE
        case True, False:
            return Verdict.FINE_TUNED_BETTER
        case False, True:
            return Verdict.BASELINE_BETTER
        case _:
            return Verdict.BOTH_WRONG
