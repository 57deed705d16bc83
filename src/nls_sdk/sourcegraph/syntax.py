"""A query's syntax tree: filters and patterns under AND, OR and juxtaposition, with source positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from .findings import Finding


class PatternType(StrEnum):
    """How the server reads search terms; its default is ``keyword``."""

    KEYWORD = "keyword"
    STANDARD = "standard"
    LITERAL = "literal"
    REGEXP = "regexp"
    STRUCTURAL = "structural"


class Form(Enum):
    """How a term or a filter's value is written."""

    BARE = "bare"
    QUOTED = "quoted"
    SLASHED = "slashed"


class Kind(Enum):
    """How the operands of an operator are joined; CONCAT is terms written side by side."""

    AND = "and"
    OR = "or"
    CONCAT = "concat"


# Python 3.11 takes its time to find an enumeration's member, too long for every word of a query.
KEYWORD, STANDARD, LITERAL, REGEXP, STRUCTURAL = PatternType
BARE, QUOTED, SLASHED = Form
AND, OR, CONCAT = Kind


@frozen
class Predicate:
    """A function in a filter's value, such as ``has.path(README)``.

    Attributes:
        name: What stands before the parenthesis.
        argument: What stands inside, as written.
    """

    name: str
    argument: str


# Nodes are never changed once they are made; attrs' guard against that would cost half the parser's time.
@define(unsafe_hash=True)
class Filter:
    """A filter such as ``-file:test``.

    Attributes:
        field: Its canonical name; ``path:`` is ``file``.
        value: What it filters by, without quotes and escapes of the quotes.
        negated: By ``-`` or ``NOT``.
        form: Bare or quoted.
        predicate: The predicate in the value, or None.
        name: The field as written.
        start: Offset of the first character, from 0.
        end: Offset one past the last character.
    """

    field: str
    value: str
    negated: bool
    form: Form
    predicate: Predicate | None
    name: str
    start: int
    end: int


@define(unsafe_hash=True)
class Pattern:
    """A search term.

    Attributes:
        text: What is searched for, without its delimiters.
        negated: By ``NOT``.
        form: Bare, quoted, or between slashes (a regular expression).
        start: Offset of the first character, from 0.
        end: Offset one past the last character.
    """

    text: str
    negated: bool
    form: Form
    start: int
    end: int


@define(unsafe_hash=True)
class Operator:
    """Operands joined by AND, by OR, or by standing side by side.

    Attributes:
        kind: How they are joined.
        operands: Two or more nodes.
    """

    kind: Kind
    operands: tuple[Node, ...]


Node: TypeAlias = Filter | Pattern | Operator
Leaf: TypeAlias = Filter | Pattern


@frozen
class Query:
    """A query as the server reads it.

    Attributes:
        text: As written.
        pattern_type: How its terms are read; ``patterntype:`` in the text has the last word.
        tree: Its syntax tree, with filters hoisted out of an OR where the server does so; None when empty.
        empty: Filters in the text that have no value; the server drops them beside anything else.
        forgiven: Why the server could not read it as it stands and took every parenthesis as text; None
            when it could.
        ignored: A ``patterntype:`` that has no effect, because the server looks for it in a literal
            reading, which failed.
    """

    text: str
    pattern_type: PatternType
    tree: Node | None = field(repr=False)
    empty: tuple[Filter, ...]
    forgiven: Finding | None = None
    ignored: Filter | None = None

    @property
    def literal_parens(self) -> bool:
        """Whether parentheses that never close were taken as text, and all others with them."""
        return self.forgiven is not None

    @property
    def filters(self) -> tuple[Filter, ...]:
        """Every filter that has a value or stands alone, in the order of the tree."""
        return tuple(leaf for leaf in leaves(self.tree) if isinstance(leaf, Filter))


def fold(kind: Kind, operands: Sequence[Node]) -> Node | None:
    """Joins nodes as the server does.

    Filters and terms without a value vanish as long as something else remains. An operand that is itself
    of ``kind`` is dissolved when it follows another operand, or when a leaf follows it.

    Returns:
        None for no node, the node itself for a single one.
    """
    if len(operands) < 2:
        return operands[0] if operands else None
    for node in operands:
        if isinstance(node, Operator):
            if node.kind is kind:
                break
        elif not (node.value if isinstance(node, Filter) else node.text):
            break
    else:
        return Operator(kind, tuple(operands))
    while True:
        joined: list[Node] = []
        dissolved = False
        for node in operands:
            last = joined[-1] if joined else None
            if last is None:
                joined.append(node)
            elif is_empty(node):
                continue
            elif is_empty(last):
                joined[-1] = node
            elif not isinstance(node, Operator) or node.kind is kind:
                if isinstance(last, Operator) and last.kind is kind:
                    joined[-1:] = last.operands
                    dissolved = True
                if isinstance(node, Operator):
                    joined.extend(node.operands)
                    dissolved = True
                else:
                    joined.append(node)
            else:
                joined.append(node)
        operands = joined
        if not dissolved:
            break
    return Operator(kind, tuple(operands)) if len(operands) > 1 else operands[0]


def is_empty(node: Node) -> bool:
    """Whether a filter has no value or a term no text."""
    if isinstance(node, Operator):
        return False
    return not (node.value if isinstance(node, Filter) else node.text)


def leaves(node: Node | None) -> Iterator[Leaf]:
    """The filters and terms of a tree, from left to right."""
    stack = [node] if node is not None else []
    while stack:
        top = stack.pop()
        if isinstance(top, Operator):
            stack.extend(reversed(top.operands))
        else:
            yield top


def span(node: Node) -> tuple[int, int]:
    """The stretch of the query that a node covers, as offsets."""
    places = [(leaf.start, leaf.end) for leaf in leaves(node)]
    return min(start for start, _ in places), max(end for _, end in places)


def negate(leaf: Leaf, start: int) -> Leaf:
    """The same leaf under a NOT that begins at ``start``."""
    if isinstance(leaf, Pattern):
        return Pattern(leaf.text, True, leaf.form, start, leaf.end)
    return evolve(leaf, negated=True, start=start)
