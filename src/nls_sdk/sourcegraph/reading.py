"""`parse`: from a query's text to what the server makes of it."""

from __future__ import annotations

import re

from attrs import evolve

from .findings import Finding, QueryError
from .parser import parse_tree
from .scanner import SPACE
from .syntax import Filter, Kind, Node, Operator, PatternType, Query, span

SPELLINGS = {
    "keyword": PatternType.KEYWORD,
    "standard": PatternType.STANDARD,
    "lucky": PatternType.STANDARD,
    "literal": PatternType.LITERAL,
    "regexp": PatternType.REGEXP,
    "regex": PatternType.REGEXP,
    "structural": PatternType.STRUCTURAL,
    "codycontext": PatternType.KEYWORD,
}
"""Every value of ``patterntype:``, and how terms are read then."""

_READ_DIFFERENTLY = re.compile(rf"[\"'()]|(?<![^{SPACE}])/|\\(?:[{SPACE}]|\Z)")
"""What pattern types do not agree on: quotes, parentheses, regexes between slashes and escaped spaces."""

_PHRASES = (PatternType.STANDARD, PatternType.LITERAL)
"""The pattern types in which terms side by side are one phrase."""


def parse(query: str, pattern_type: str = "keyword") -> Query:
    """Reads a query as the server does.

    Args:
        query: The query's text.
        pattern_type: How terms are read when the text does not say so itself: ``keyword``, ``standard``,
            ``literal``, ``regexp`` or ``structural``.

    Returns:
        The query, with its syntax tree. Its values are unchecked: see `validate`.

    Raises:
        QueryError: The server cannot read it.
        ValueError: There is no such pattern type.
    """
    try:
        mode = SPELLINGS[pattern_type]
    except KeyError:
        raise ValueError(f"no pattern type {pattern_type!r}; there are {', '.join(SPELLINGS)}") from None
    if "patterntype:" in query.lower():
        return _read_as_it_asks(query, mode)
    return _read(query, mode)


def _read_as_it_asks(text: str, mode: PatternType) -> Query:
    """Reads a query by its own ``patterntype:``, which the server looks up in a literal reading."""
    try:
        literal = _read(text, PatternType.LITERAL)
    except QueryError:
        query = _read(text, mode)
        return evolve(query, ignored=_without_effect(query))
    for entry in reversed(literal.filters):
        if entry.field == "patterntype":
            mode = SPELLINGS.get(entry.value.lower(), mode)
            break
    if _READ_DIFFERENTLY.search(text):
        return _read(text, mode)
    return Query(text, mode, literal.tree, literal.empty, literal.forgiven)


def _without_effect(query: Query) -> Filter | None:
    """The last ``patterntype:`` of a query, unless it asks for what the query is read as anyway."""
    asked = [entry for entry in query.filters if entry.field == "patterntype"]
    if not asked or SPELLINGS.get(asked[-1].value.lower(), query.pattern_type) is query.pattern_type:
        return None
    return asked[-1]


def _read(text: str, mode: PatternType) -> Query:
    query = parse_tree(text, mode)
    if mode in _PHRASES and isinstance(query.tree, Operator):
        _refuse_groups_beside_terms(query.tree)
    return query


def _refuse_groups_beside_terms(tree: Node) -> None:
    stack = [tree]
    while stack:
        node = stack.pop()
        if not isinstance(node, Operator):
            continue
        if node.kind is Kind.CONCAT:
            for operand in node.operands:
                if isinstance(operand, Operator):
                    start, end = span(operand)
                    raise QueryError(
                        Finding(
                            "parens_ambiguous_and_or_in_concat",
                            start,
                            end,
                            "A group cannot stand beside other terms in this pattern type.",
                            "Write AND between them, or search with patterntype:keyword.",
                        )
                    )
        stack.extend(node.operands)
