"""`canonical` and `equivalent`: whether two queries ask the same, whatever their spelling.

The canonical form is itself a query, of keyword search: filters by their names and in order, revisions
with their repositories, ORs over filters multiplied out, operands sorted, defaults left out. It says the
same as the query that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from .basic import basic_queries
from .findings import QueryError
from .meaning import meaning
from .reading import parse
from .regexes import literal
from .syntax import Form, Kind, Node, Operator, Pattern, PatternType, Query, is_empty
from .validation import validate
from .writing import is_bare_word, quote, slashes, without_escaped_slashes

_Terms: TypeAlias = "str | tuple[Kind, tuple[_Terms, ...]]"


def canonical(query: str | Query, pattern_type: str = "keyword") -> str:
    """The one spelling that all equivalent queries share.

    Args:
        query: Its text, or what `parse` made of it.
        pattern_type: How terms are read when the text does not say so itself.

    Returns:
        A query of keyword search (of structural search where it is one).

    Raises:
        QueryError: The server refuses the query.
    """
    read = query if isinstance(query, Query) else parse(query, pattern_type)
    faults = validate(read)
    if faults:
        raise QueryError(faults[0])
    mode = read.pattern_type
    branches: dict[tuple[str, ...], list[_Terms | None]] = {}
    for basic in basic_queries(read):
        filters = tuple(sorted(set(meaning(basic.filters))))
        pattern = None if basic.pattern is None or is_empty(basic.pattern) else basic.pattern
        branches.setdefault(filters, []).append(None if pattern is None else _terms(pattern, mode))
    written: list[str] = []
    for filters, choices in branches.items():
        if None in choices:
            written.append(_conjunction(filters, None, alone=len(branches) == 1 and not any(choices)))
        if any(choices):
            terms = _join(Kind.OR, [choice for choice in choices if choice is not None])
            written.append(_conjunction(filters, terms, alone=len(branches) == 1 and None not in choices))
    head = "patterntype:structural " if mode is PatternType.STRUCTURAL else ""
    text = " OR ".join(sorted(set(written)))
    return head + (f"({text})" if head and len(written) > 1 else text)


def equivalent(a: str, b: str) -> bool:
    """Whether two queries of keyword search ask the same.

    A query that the server refuses is equivalent to nothing but its own text.
    """
    if a == b:
        return True
    first = canonical_or_none(a)
    return first is not None and first == canonical_or_none(b)


@lru_cache(maxsize=16384)
def canonical_or_none(text: str) -> str | None:
    """The canonical form of a query of keyword search; None when the server refuses it."""
    try:
        return canonical(text)
    except QueryError:
        return None


def _terms(node: Node, mode: PatternType) -> _Terms:
    if isinstance(node, Operator):
        kind = Kind.OR if node.kind is Kind.OR else Kind.AND
        return _join(kind, [_terms(operand, mode) for operand in node.operands])
    return _term(node, mode)


def _join(kind: Kind, operands: Iterable[_Terms]) -> _Terms:
    """Operands in order, without what stands twice, and without an operator inside its own kind."""
    flat: set[_Terms] = set()
    for operand in operands:
        if isinstance(operand, tuple) and operand[0] is kind:
            flat.update(operand[1])
        else:
            flat.add(operand)
    if len(flat) == 1:
        return flat.pop()
    return kind, tuple(sorted(flat, key=_write))


def _term(node: Node, mode: PatternType) -> str:
    assert isinstance(node, Pattern)
    text = f"content:{quote(node.text)}" if mode is PatternType.STRUCTURAL else _searched(node)
    return f"NOT {text}" if node.negated else text


def _searched(term: Pattern) -> str:
    text = term.text
    if term.form is Form.SLASHED:
        source = without_escaped_slashes(term.text)
        only = literal(source)
        if only is None:
            return slashes(source)
        text = only
    return text if is_bare_word(text) else quote(text)


def _write(terms: _Terms) -> str:
    if isinstance(terms, str):
        return terms
    kind, operands = terms
    inside = [
        f"({_write(operand)})" if isinstance(operand, tuple) else _write(operand) for operand in operands
    ]
    return (" OR " if kind is Kind.OR else " ").join(inside)


def _conjunction(filters: tuple[str, ...], terms: _Terms | None, *, alone: bool) -> str:
    parts = list(filters)
    several = len(filters) > 1
    if terms is not None:
        is_or = isinstance(terms, tuple) and terms[0] is Kind.OR
        text = _write(terms)
        parts.append(f"({text})" if is_or and filters else text)
        several = bool(filters) or (isinstance(terms, tuple) and not is_or)
    text = " ".join(parts)
    if alone:
        return text
    # Where nothing but defaults is left of an alternative, one of them has to stand for it.
    return f"({text})" if several else text or "context:global"
