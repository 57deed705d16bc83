"""`parse`: from a query's text to what the server makes of it."""

from __future__ import annotations

from attrs import field, frozen

from .findings import Finding, QueryError
from .parser import parse_tree
from .syntax import Filter, Kind, Node, Operator, PatternType, fold, leaves, span

_SPELLINGS = {
    "keyword": PatternType.KEYWORD,
    "standard": PatternType.STANDARD,
    "lucky": PatternType.STANDARD,
    "literal": PatternType.LITERAL,
    "regexp": PatternType.REGEXP,
    "regex": PatternType.REGEXP,
    "structural": PatternType.STRUCTURAL,
    "codycontext": PatternType.KEYWORD,
}


@frozen
class Query:
    """A query as the server reads it.

    Attributes:
        text: As written.
        pattern_type: How its terms are read; ``patterntype:`` in the text has the last word.
        tree: Its syntax tree, with filters hoisted out of an OR where the server does so; None when empty.
        filters: Every filter in the text that has a value or stands alone.
        empty: Filters in the text that have no value; the server drops them beside anything else.
        literal_parens: Whether parentheses that never close were taken as text, and all others with them.
    """

    text: str
    pattern_type: PatternType
    tree: Node | None = field(repr=False)
    filters: tuple[Filter, ...]
    empty: tuple[Filter, ...]
    literal_parens: bool


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
        mode = _SPELLINGS[pattern_type]
    except KeyError:
        raise ValueError(f"no pattern type {pattern_type!r}; there are {', '.join(_SPELLINGS)}") from None
    if "patterntype:" in query.lower():
        mode = _override(query) or mode
    return _read(query, mode)


def _override(query: str) -> PatternType | None:
    """The pattern type that the text itself asks for, which the server looks up in a literal reading."""
    try:
        filters = _read(query, PatternType.LITERAL).filters
    except QueryError:
        return None
    for entry in reversed(filters):
        if entry.field == "patterntype":
            return _SPELLINGS.get(entry.value.lower())
    return None


def _read(query: str, mode: PatternType) -> Query:
    reading = parse_tree(query, mode)
    tree = reading.tree
    if tree is not None and not reading.grouped:
        tree = _hoist(tree)
    if mode in (PatternType.STANDARD, PatternType.LITERAL):
        _refuse_groups_beside_terms(tree)
    filters = tuple(leaf for leaf in leaves(tree) if isinstance(leaf, Filter))
    return Query(query, mode, tree, filters, reading.empty, reading.literal_parens)


def _hoist(tree: Node) -> Node:
    """Applies filters at both ends of an OR to all of it: ``repo:x a or b`` is ``repo:x (a or b)``."""
    if not isinstance(tree, Operator) or tree.kind is not Kind.OR:
        return tree
    first, *middle, last = tree.operands
    leading, first_term = _split(first)
    trailing, last_term = _split(last)
    if first_term is None or last_term is None or not leading:
        return tree
    terms = [first_term, *middle, last_term]
    begin, end = span(first_term)[0], span(last_term)[1]
    if any(f.start > begin for f in leading) or any(f.start < end for f in trailing):
        return tree
    if any(isinstance(leaf, Filter) for term in terms for leaf in leaves(term)):
        return tree
    return fold(Kind.AND, [*leading, *trailing, Operator(Kind.OR, tuple(terms))]) or tree


def _split(node: Node) -> tuple[list[Filter], Node | None]:
    if not isinstance(node, Operator) or node.kind is not Kind.AND:
        return ([node], None) if isinstance(node, Filter) else ([], node)
    filters = [operand for operand in node.operands if isinstance(operand, Filter)]
    terms = [operand for operand in node.operands if not isinstance(operand, Filter)]
    return filters, fold(Kind.AND, terms)


def _refuse_groups_beside_terms(tree: Node | None) -> None:
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
