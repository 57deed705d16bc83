"""Reads a query's text into a syntax tree, for one pattern type."""

from __future__ import annotations

import re

from .fields import NAMES
from .findings import Finding, QueryError
from .hoisting import groups_a_part, hoist
from .predicates import CALL, PREDICATES
from .refusals import (
    DEEPEST,
    DOUBLE_NEGATION,
    MISSING_OPERAND,
    NESTED_TOO_DEEPLY,
    NEVER_CLOSED,
    NEVER_OPENED,
    NOT_BEFORE_GROUP,
    refusal,
)
from .scanner import (
    BALANCED,
    ESCAPED_WORD,
    FIELD_START,
    OPERATOR_WORD,
    SIMPLE,
    SIMPLE_TEXT,
    SPACES,
    STUMP,
    WORD,
    Balance,
    end_of,
    is_space,
    quoted,
    quoted_value,
)
from .syntax import (
    AND,
    BARE,
    CONCAT,
    KEYWORD,
    LITERAL,
    OR,
    QUOTED,
    REGEXP,
    SLASHED,
    STANDARD,
    STRUCTURAL,
    Filter,
    Leaf,
    Node,
    Operator,
    Pattern,
    PatternType,
    Predicate,
    Query,
    fold,
    negate,
)

_QUOTES = {
    KEYWORD: "\"'/",
    STANDARD: "/",
    LITERAL: "",
    REGEXP: "\"'/",
    STRUCTURAL: "",
}
"""What may stand around a term instead of being part of it."""


class Parser:
    """One reading of one query.

    Attributes:
        empty: Filters without a value.
        groups: Where each parenthesized expression begins and ends, inner ones first.
    """

    def __init__(self, text: str, mode: PatternType, *, literal_parens: bool = False) -> None:
        self.empty: list[Filter] = []
        self.groups: list[tuple[int, int]] = []
        self._text = text
        self._mode = mode
        self._literal_parens = literal_parens
        self._quotes = _QUOTES[mode]
        self._simple = SIMPLE_TEXT if literal_parens else SIMPLE
        self._balance = Balance(text)
        self._start = end_of(SPACES, text, 0)
        self._position = 0
        self._joint = ""  # AND or OR, in lower case, when one stands at the position
        self._depth = 0

    def parse(self) -> Node | None:
        """Reads the whole query.

        Returns:
            The tree, or None for a query without anything in it.

        Raises:
            QueryError: The server cannot read it this way.
        """
        return self._alternatives()

    def _alternatives(self) -> Node | None:
        branch = self._conjunction()
        if self._joint != "or":
            return branch
        branches: list[Node] = [self._required(branch)]
        while self._takes("or"):
            branches.append(self._required(self._conjunction()))
        return fold(OR, branches)

    def _conjunction(self) -> Node | None:
        run = self._run()
        if self._joint != "and":
            return run
        runs: list[Node] = [self._required(run)]
        while self._takes("and"):
            runs.append(self._required(self._run()))
        return fold(AND, runs)

    def _takes(self, joint: str) -> bool:
        if self._joint != joint:
            return False
        self._position += len(joint)
        return True

    def _required(self, operand: Node | None) -> Node:
        if operand is None:
            at = min(self._position, max(len(self._text) - 1, 0))
            raise QueryError(refusal(MISSING_OPERAND, at, min(at + 3, len(self._text))))
        return operand

    def _run(self) -> Node | None:
        """Reads filters and terms side by side, up to AND, OR, a closing parenthesis or the end."""
        text = self._text
        filters: list[Node] = []
        terms: list[Node] = []
        self._joint = ""
        while True:
            self._words(filters, terms)
            position = self._position
            if position == len(text):
                break
            character = text[position]
            node: Node | None
            if character == ")" and not self._literal_parens:
                if self._depth == 0:
                    raise QueryError(refusal(NEVER_OPENED, position, position + 1))
                if not filters and not terms:
                    opens = max(text.rfind("(", 0, position), 0)
                    terms.append(Pattern("()", False, BARE, opens, position + 1))
                break
            if character == "(" and not self._literal_parens and (node := self._group(position)):
                pass
            elif character in "aAoOnN" and (word := self._operator_word(position)):
                if word != "not":
                    self._joint = word
                    break
                node = self._negation(position)
            else:
                node = self._leaf(position)
            (filters if _only_filters(node) else terms).append(node)
        if len(terms) > 1 and (phrase := fold(CONCAT, terms)):
            terms = [phrase]
        return fold(AND, filters + terms)

    def _words(self, filters: list[Node], terms: list[Node]) -> None:
        """Reads the simple words that stand here, as most queries have nothing else, and any spaces."""
        text, position = self._text, self._position
        while match := self._simple.match(text, position):
            word, minus, name, colon, value = match.groups()
            if word is None:
                position = match.end()
                break
            position, end = match.span(1)
            field = (NAMES.get(name) or NAMES.get(name.lower())) if colon else None
            if field is None:
                terms.append(Pattern(word, False, BARE, position, end))
            elif value and value[0] not in "\"'" and "(" not in value:
                filters.append(Filter(field, value, minus == "-", BARE, None, name, position, end))
            else:
                break
            position = end
        self._position = position

    def _operator_word(self, position: int) -> str:
        """AND, OR or NOT in lower case, when one stands here and is not text; otherwise nothing."""
        match = OPERATOR_WORD.match(self._text, position)
        word = match[0].lower() if match else ""
        return "" if position == self._start and word != "not" else word

    def _group(self, position: int) -> Node | None:
        """Reads a parenthesized expression; None when the parentheses belong to a term."""
        if self._mode is not KEYWORD and self._balance.end(position) is not None:
            return None
        if self._depth == DEEPEST:
            raise QueryError(refusal(NESTED_TOO_DEEPLY, position, position + 1))
        self._depth += 1
        self._position = position + 1
        node = self._alternatives()
        if self._position >= len(self._text):
            raise QueryError(refusal(NEVER_CLOSED, position, position + 1))
        self._position += 1
        self._depth -= 1
        self.groups.append((position, self._position))
        return node

    def _negation(self, position: int) -> Leaf:
        after = end_of(SPACES, self._text, position + 3)
        self._position = after
        if self._text.startswith("(", after):
            raise QueryError(refusal(NOT_BEFORE_GROUP, position, after + 1))
        leaf = self._leaf(after)
        if leaf.negated:
            raise QueryError(refusal(DOUBLE_NEGATION, position, leaf.end))
        return negate(leaf, position)

    def _leaf(self, position: int) -> Leaf:
        text = self._text
        if position < len(text) and text[position] in self._quotes and (term := self._quoted(position)):
            return term
        match = FIELD_START.match(text, position)
        if match is not None and (field := NAMES.get(match[1].lower())):
            return self._filter(match, field)
        self._position = end = self._term_end(position)
        return Pattern(text[position:end], False, BARE, position, end)

    def _filter(self, match: re.Match[str], field: str) -> Filter:
        text, start, at = self._text, match.start(), match.end()
        predicate = None
        form = BARE
        if text[at : at + 1] in ('"', "'"):
            value, end = quoted_value(text, at)
            form = QUOTED
        elif (
            (call := CALL.match(text, at))
            and (field, call[0]) in PREDICATES
            and (close := self._balance.close(call.end()))
        ):
            end = close + 1
            value = text[at:end]
            predicate = Predicate(call[0], text[call.end() + 1 : close])
        else:
            end = self._bare_end(at)
            value = text[at:end]
        self._position = end
        entry = Filter(field, value, text[start] == "-", form, predicate, match[1], start, end)
        if not value:
            self.empty.append(entry)
        return entry

    def _bare_end(self, at: int) -> int:
        if bare := BALANCED.match(self._text, at):
            return bare.end()
        end = self._balance.end(at)
        return end_of(STUMP, self._text, at) if end is None else end

    def _term_end(self, position: int) -> int:
        text, regexp = self._text, self._mode is REGEXP
        if self._literal_parens:
            return end_of(ESCAPED_WORD if regexp else WORD, text, position)
        if bare := BALANCED.match(text, position):
            return bare.end()
        end = self._balance.end(position)
        return end_of(STUMP if regexp else WORD, text, position) if end is None else end

    def _quoted(self, position: int) -> Pattern | None:
        """Reads a term between quotes or slashes; None when they are part of a word."""
        text = self._text
        inside = quoted(text, position)
        if inside is None:
            return None
        value, end = inside
        slashed = text[position] == "/"
        if (end < len(text) and not is_space(text[end]) and text[end] != ")") or (slashed and not value):
            return None
        self._position = end
        return Pattern(value, False, SLASHED if slashed else QUOTED, position, end)


def _only_filters(node: Node) -> bool:
    if isinstance(node, Operator):
        return all(map(_only_filters, node.operands))
    return isinstance(node, Filter)


def parse_tree(text: str, mode: PatternType) -> Query:
    """Reads a query, with the server's forgiveness for parentheses that never close.

    Raises:
        QueryError: The server cannot read it.
    """
    parser = Parser(text, mode)
    try:
        tree = parser.parse()
        if isinstance(tree, Operator) and tree.kind is OR and not groups_a_part(text, parser.groups):
            tree = hoist(tree)
        return Query(text, mode, tree, tuple(parser.empty))
    except QueryError as error:
        if error.finding.kind != "missing_operand" and not _never_closes(error.finding, text):
            raise
        forgiving = Parser(text, mode, literal_parens=True)
        try:
            tree = forgiving.parse()
            return Query(text, mode, tree and hoist(tree), tuple(forgiving.empty), error.finding)
        except QueryError:
            raise error from None


def _never_closes(finding: Finding, text: str) -> bool:
    return finding.kind == "parens_unbalanced" and text[finding.start] == "("
