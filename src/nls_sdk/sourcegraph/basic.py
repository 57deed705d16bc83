"""What the server runs: filters that must all hold and an expression of terms, for each alternative."""

from __future__ import annotations

import re
from itertools import chain, product
from typing import NamedTuple

from .findings import Finding, QueryError
from .syntax import (
    AND,
    BARE,
    CONCAT,
    KEYWORD,
    OR,
    QUOTED,
    REGEXP,
    SLASHED,
    STRUCTURAL,
    Filter,
    Leaf,
    Node,
    Operator,
    Pattern,
    PatternType,
    Query,
    fold,
)

MOST = 2000
"""How many basic queries one query may expand to before it is refused."""

LARGEST = 200_000
"""How many filters and terms several basic queries may have together."""


class BasicQuery(NamedTuple):
    """Filters that must all hold, and what to search for.

    Attributes:
        filters: In the order of the text, `content:` not among them.
        pattern: The expression of terms, with no filter in it, or None.
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
    tree, mode = query.tree, query.pattern_type
    if tree is None:
        return [BasicQuery((), None)]
    if flat := _flat(tree, mode):
        return [flat]
    parts = [_alternatives(node) or [[node]] for node in _juxtapose(tree, mode)]
    return [_basic(nodes) for nodes in _multiplied(parts)]


def _flat(tree: Node, mode: PatternType) -> BasicQuery | None:
    """The one basic query of a plain list of filters and terms, as most queries are; None for any other."""
    operands = tree.operands if isinstance(tree, Operator) and tree.kind is AND else (tree,)
    filters: list[Filter] = []
    words: Node | None = None
    for operand in operands:
        if isinstance(operand, Filter) and operand.field != "content":
            filters.append(operand)
        elif words is None and not isinstance(operand, Filter):
            words = operand
        else:
            return None
    if isinstance(words, Operator):
        if words.kind is not CONCAT:
            return None
        for word in words.operands:
            if not isinstance(word, Pattern):
                return None
        if mode is KEYWORD:
            words = Operator(AND, words.operands)
    if words is not None and mode is not KEYWORD:
        words = fold(AND, _juxtapose(words, mode))
    return BasicQuery(tuple(filters), words)


def _term(leaf: Leaf, mode: PatternType) -> Leaf:
    """A ``content:`` as the term that it is, and a term as the pattern type has it."""
    if isinstance(leaf, Filter):
        if leaf.field != "content":
            return leaf
        form = SLASHED if mode is REGEXP else QUOTED
        return Pattern(leaf.value, leaf.negated, form, leaf.start, leaf.end)
    if mode is REGEXP and leaf.form is not QUOTED:
        return Pattern(_escape_parens(leaf.text), leaf.negated, SLASHED, leaf.start, leaf.end)
    if mode is STRUCTURAL and "..." in leaf.text:
        text = leaf.text.replace("...", ":[_]")
        return Pattern(text, leaf.negated, leaf.form, leaf.start, leaf.end)
    return leaf


def _escape_parens(source: str) -> str:
    """Forgives the parentheses of a call in a regular expression: ``f()`` and ``f(`` at its end."""
    if "(" not in source:
        return source
    return _OPEN_AT_END.sub(r"\(", _EMPTY_CALL.sub(r"\(\)", source))


_EMPTY_CALL = re.compile(r"(?<!\\)\(\)")
_OPEN_AT_END = re.compile(r"(?<!\\)\($")


def _juxtapose(node: Node, mode: PatternType) -> list[Node]:
    """The tree with terms as the pattern type has them, and those side by side joined.

    Returns:
        One node, or several when they stand side by side and cannot be joined: they become operands of
        the operator above, which is what the server makes of them.
    """
    if not isinstance(node, Operator):
        return [_term(node, mode)]
    operands: list[Node] = []
    for operand in node.operands:
        if isinstance(operand, Operator):
            operands += _juxtapose(operand, mode)
        else:
            operands.append(_term(operand, mode))
    if node.kind is CONCAT and mode is not KEYWORD:
        return _join(operands, mode)
    folded = fold(OR if node.kind is OR else AND, operands)
    return [] if folded is None else [folded]


def _join(operands: list[Node], mode: PatternType) -> list[Node]:
    as_one = _as_one_regexp if mode is REGEXP else _as_one_phrase
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
            and (mode is REGEXP or operand.form is not SLASHED)
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
    return Pattern(" ".join(p.text for p in run), False, BARE, run[0].start, run[-1].end)


def _as_one_regexp(run: list[Pattern]) -> Pattern:
    if len(run) == 1:
        return run[0]
    parts = (f"(?:{regexp_source(p)})" for p in run)
    return Pattern(".*?".join(parts), False, SLASHED, run[0].start, run[-1].end)


def regexp_source(pattern: Pattern) -> str:
    """The regular expression that a term of a regexp search stands for."""
    if pattern.form is QUOTED:
        return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", pattern.text)
    return pattern.text


def _alternatives(node: Node) -> list[list[Node]] | None:
    """The conjunctions that a node stands for; None for one without filters, which is never taken apart."""
    if not isinstance(node, Operator):
        return [[node]] if isinstance(node, Filter) else None
    parts = [_alternatives(operand) for operand in node.operands]
    if not any(parts):
        return None
    found = [part or [[operand]] for part, operand in zip(parts, node.operands, strict=True)]
    return _multiplied(found) if node.kind is not OR else _one_after_another(found)


def _one_after_another(parts: list[list[list[Node]]]) -> list[list[Node]]:
    conjunctions = list(chain.from_iterable(parts))
    _limit(len(conjunctions), sum(map(len, conjunctions)))
    return conjunctions


def _multiplied(parts: list[list[list[Node]]]) -> list[list[Node]]:
    conjunctions: list[list[Node]] = [[]]
    size = 0
    for branches in parts:
        size = size * len(branches) + len(conjunctions) * sum(map(len, branches))
        _limit(len(conjunctions) * len(branches), size)
        if len(branches) == 1:
            for left in conjunctions:
                left += branches[0]
        else:
            conjunctions = [[*left, *right] for left, right in product(conjunctions, branches)]
    return conjunctions


def _limit(count: int, size: int) -> None:
    if count > MOST or (count > 1 and size > LARGEST):
        raise QueryError(
            Finding(
                "too_many_alternatives",
                0,
                0,
                f"The ORs over filters expand to more than {MOST} searches, or to very long ones.",
                "Join the values of one filter with | in one regular expression instead.",
            )
        )


def _basic(nodes: list[Node]) -> BasicQuery:
    filters = tuple([node for node in nodes if isinstance(node, Filter)])
    return BasicQuery(filters, fold(AND, [node for node in nodes if not isinstance(node, Filter)]))
