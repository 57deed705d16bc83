"""Why the parser refuses a query: the findings of what cannot be read at all."""

from __future__ import annotations

from attrs import frozen

from .findings import Finding

DEEPEST = 100
"""How many parentheses may stand inside one another; with more the parser could run out of stack."""


@frozen
class Refusal:
    """A finding but for its place.

    Attributes:
        kind: A stable word for the rule.
        message: What happens.
        fix: What to write instead.
    """

    kind: str
    message: str
    fix: str


MISSING_OPERAND = Refusal(
    "missing_operand",
    "AND or OR has nothing on one side.",
    "Write a term or a filter on both sides, or quote the word to search for it.",
)
NESTED_TOO_DEEPLY = Refusal(
    "nested_too_deeply",
    f"More than {DEEPEST} parentheses stand inside one another.",
    "Leave out the parentheses that change nothing.",
)
NEVER_CLOSED = Refusal(
    "parens_unbalanced",
    "This parenthesis is never closed.",
    "Close it, or quote the text that it is part of.",
)
NEVER_OPENED = Refusal(
    "parens_unbalanced",
    "This parenthesis was never opened.",
    "Remove it, or quote the text that it is part of.",
)
NOT_BEFORE_GROUP = Refusal(
    "not_before_group",
    "NOT takes one term or filter, not a group.",
    "Write NOT before each term: NOT a NOT b for NOT (a OR b), (NOT a OR NOT b) for NOT (a AND b).",
)
DOUBLE_NEGATION = Refusal("double_negation", "NOT and - negate the filter twice.", "Keep one of them.")


def refusal(why: Refusal, start: int, end: int) -> Finding:
    """The finding, at its place in the query."""
    return Finding(why.kind, start, end, why.message, why.fix)
