"""`format`: a clean rendering of a query that the server reads as the same tree."""

from __future__ import annotations

from .findings import QueryError
from .reading import parse
from .scanner import strip
from .syntax import Filter, Kind, Node, Operator, Pattern, PatternType, Query
from .writing import shape, write_filter, write_term


def format(query: str | Query, pattern_type: str = "keyword") -> str:
    """Renders a query cleanly: canonical filter names, ``-`` for NOT, single spaces, upper-case operators.

    Args:
        query: Its text, or what `parse` made of it.
        pattern_type: How terms are read when the text does not say so itself.

    Returns:
        A query with the same syntax tree; the text as it was, if need be with the spaces around it, when
        no cleaner rendering is read the same.

    Raises:
        QueryError: The server cannot read the query.
    """
    read = query if isinstance(query, Query) else parse(query, pattern_type)
    wanted = shape(read.tree)
    candidates = [strip(read.text)]
    if read.tree is not None and not read.literal_parens:
        candidates.insert(0, _write(read.tree, read.pattern_type))
    mode = read.pattern_type.value
    return next((text for text in candidates if _shape(text, mode) == wanted), read.text)


def _shape(text: str, pattern_type: str) -> object:
    try:
        return shape(parse(text, pattern_type).tree)
    except QueryError:
        return "refused"


def _write(node: Node, mode: PatternType) -> str:
    match node:
        case Filter():
            return write_filter(node)
        case Pattern():
            return write_term(node, mode)
    match node.kind:
        case Kind.OR:
            return " OR ".join(_operand(operand, node.kind, mode) for operand in node.operands)
        case Kind.CONCAT:
            return " ".join(_operand(operand, node.kind, mode) for operand in node.operands)
    parts: list[str] = []
    for before, operand in zip((None, *node.operands), node.operands, strict=False):
        if before is not None:
            parts.append(" " if isinstance(before, Filter) else " AND ")
        parts.append(_operand(operand, node.kind, mode))
    return "".join(parts)


def _operand(node: Node, above: Kind, mode: PatternType) -> str:
    text = _write(node, mode)
    if not isinstance(node, Operator):
        return text
    if node.kind is Kind.CONCAT:
        return f"({text})" if above is Kind.CONCAT else text
    if above is Kind.OR and node.kind is Kind.AND and not isinstance(node.operands[0], Filter):
        return text
    return f"({text})"
