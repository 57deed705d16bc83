"""Hoisting: filters at the ends of an OR apply to all of it, where no parentheses say otherwise."""

from __future__ import annotations

from .scanner import strip
from .syntax import AND, OR, Filter, Node, Operator, fold, leaves, span


def groups_a_part(text: str, groups: list[tuple[int, int]]) -> bool:
    """Whether parentheses stand around something other than the whole query.

    Args:
        text: The query.
        groups: Where each pair of parentheses begins and ends, inner ones first.
    """
    start, end = 0, len(text)
    for opens, closes in reversed(groups):
        if strip(text[start:opens]) or strip(text[closes:end]):
            return True
        start, end = opens + 1, closes - 1
    return False


def hoist(tree: Node) -> Node:
    """Applies filters at both ends of an OR to all of it: ``repo:x a or b`` is ``repo:x (a or b)``."""
    if not isinstance(tree, Operator) or tree.kind is not OR:
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
    return fold(AND, [*leading, *trailing, Operator(OR, tuple(terms))]) or tree


def _split(node: Node) -> tuple[list[Filter], Node | None]:
    if not isinstance(node, Operator) or node.kind is not AND:
        return ([node], None) if isinstance(node, Filter) else ([], node)
    filters = [operand for operand in node.operands if isinstance(operand, Filter)]
    terms = [operand for operand in node.operands if not isinstance(operand, Filter)]
    return filters, fold(AND, terms)
