"""What the server runs: filters that must all hold and an expression of terms, for each alternative."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product

from attrs import evolve, frozen

from .findings import Finding, QueryError
from .reading import Query
from .syntax import Filter, Form, Kind, Node, Operator, Pattern, PatternType, fold, leaves

MOST = 2000
"""How many basic queries one query may expand to before it is refused."""

_PLAIN_TYPES = (PatternType.KEYWORD, PatternType.STANDARD, PatternType.LITERAL)


@frozen
class BasicQuery:
    """Filters that must all hold, and what to search for.

    Attributes:
        filters: In the order of the text, `content:` not among them.
        pattern: The expression of terms, or None.
    """

    filters: tuple[Filter, ...]
    pattern: Node | None


def basic_queries(query: Query) -> list[BasicQuery]:
    """Expands a query's ORs over filters.

    Returns:
        At least one basic query.

    Raises:
        QueryError: There would be more than `MOST` of them.
    """
    if query.tree is None:
        return [BasicQuery((), None)]
    if flat := _flat(query.tree, query.pattern_type):
        return [flat]
    nodes = juxtapose(terms(query.tree, query.pattern_type), query.pattern_type)
    return [_basic(conjunction) for conjunction in _expand(nodes)]


def _flat(tree: Node, mode: PatternType) -> BasicQuery | None:
    """The one basic query of a plain list of filters and terms, as most queries are; None for any other."""
    operands = tree.operands if isinstance(tree, Operator) and tree.kind is Kind.AND else (tree,)
    filters: list[Filter] = []
    words: tuple[Node, ...] = ()
    for operand in operands:
        if isinstance(operand, Filter):
            if operand.field == "content":
                return None
            filters.append(operand)
        elif words or (isinstance(operand, Operator) and operand.kind is not Kind.CONCAT):
            return None
        else:
            words = operand.operands if isinstance(operand, Operator) else (operand,)
    if any(isinstance(word, Operator) for word in words):
        return None
    read = list(words) if mode in _PLAIN_TYPES else [terms(word, mode) for word in words]
    joined = read if mode is PatternType.KEYWORD or len(read) < 2 else _join(read, mode)
    return BasicQuery(tuple(filters), fold(Kind.AND, joined))


def terms(node: Node, mode: PatternType) -> Node:
    """The tree with every ``content:`` as the term that it is, and terms as the pattern type has them."""
    match node:
        case Filter(field="content"):
            form = Form.SLASHED if mode is PatternType.REGEXP else Form.QUOTED
            return Pattern(node.value, node.negated, form, node.start, node.end)
        case Pattern() if mode is PatternType.REGEXP and node.form is not Form.QUOTED:
            return evolve(node, text=_escape_parens(node.text), form=Form.SLASHED)
        case Pattern() if mode is PatternType.STRUCTURAL:
            return evolve(node, text=node.text.replace("...", ":[_]"))
        case Operator():
            return evolve(node, operands=tuple(terms(operand, mode) for operand in node.operands))
    return node


def _escape_parens(source: str) -> str:
    """Forgives the parentheses of a call in a regular expression: ``f()`` and ``f(`` at its end."""
    source = re.sub(r"(?<!\\)\(\)", r"\(\)", source)
    return re.sub(r"(?<!\\)\($", r"\(", source)


def juxtapose(node: Node, mode: PatternType) -> list[Node]:
    """The tree with terms side by side joined as the pattern type has it.

    Returns:
        One node, or several when they stand side by side and cannot be joined: they become operands of
        the operator above, which is what the server makes of them.
    """
    if not isinstance(node, Operator):
        return [node]
    operands = [result for operand in node.operands for result in juxtapose(operand, mode)]
    if node.kind is Kind.CONCAT and mode is not PatternType.KEYWORD:
        return _join(operands, mode)
    folded = fold(Kind.OR if node.kind is Kind.OR else Kind.AND, operands)
    return [] if folded is None else [folded]


def _join(operands: list[Node], mode: PatternType) -> list[Node]:
    as_one = _as_one_regexp if mode is PatternType.REGEXP else _as_one_phrase
    first = operands[0]
    if not isinstance(first, Pattern):
        # The server forgets a group that stands before other terms.
        return operands[1:] or operands
    if first.negated:
        return operands
    joined: list[Node] = []
    run: list[Pattern] = []
    for operand in operands:
        if (
            isinstance(operand, Pattern)
            and not operand.negated
            and (mode is PatternType.REGEXP or operand.form is not Form.SLASHED)
        ):
            run.append(operand)
            continue
        if run:
            joined.append(as_one(run))
            run = []
        joined.append(operand)
    if run:
        joined.append(as_one(run))
    return joined


def _as_one_phrase(run: list[Pattern]) -> Pattern:
    if len(run) == 1:
        return run[0]
    return Pattern(" ".join(p.text for p in run), False, Form.BARE, run[0].start, run[-1].end)


def _as_one_regexp(run: list[Pattern]) -> Pattern:
    if len(run) == 1:
        return run[0]
    parts = (f"(?:{regexp_source(p)})" for p in run)
    return Pattern(".*?".join(parts), False, Form.SLASHED, run[0].start, run[-1].end)


def regexp_source(pattern: Pattern) -> str:
    """The regular expression that a term of a regexp search stands for."""
    if pattern.form is Form.QUOTED:
        return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", pattern.text)
    return pattern.text


def _expand(nodes: Iterable[Node]) -> list[list[Node]]:
    """The conjunctions that remain when every OR over a filter is multiplied out."""
    conjunctions: list[list[Node]] = [[]]
    for node in nodes:
        if not isinstance(node, Operator) or not _has_filter(node):
            branches = [[node]]
        elif node.kind is Kind.OR:
            branches = [branch for operand in node.operands for branch in _expand([operand])]
        else:
            branches = _expand(node.operands)
        if len(conjunctions) * len(branches) > MOST:
            raise QueryError(
                Finding(
                    "too_many_alternatives",
                    0,
                    0,
                    f"The ORs over filters expand to more than {MOST} searches.",
                    "Join the values of one filter with | in one regular expression instead.",
                )
            )
        conjunctions = [[*left, *right] for left, right in product(conjunctions, branches)]
    return conjunctions


def _has_filter(node: Node) -> bool:
    return any(isinstance(leaf, Filter) for leaf in leaves(node))


def _basic(nodes: list[Node]) -> BasicQuery:
    filters = tuple(node for node in nodes if isinstance(node, Filter))
    return BasicQuery(filters, fold(Kind.AND, [node for node in nodes if not isinstance(node, Filter)]))
