"""Writing filters and terms so that they are read back as what they are."""

from __future__ import annotations

import re
from functools import lru_cache

from .findings import QueryError
from .parser import parse_tree
from .scanner import ESCAPES
from .syntax import Filter, Form, Node, Operator, Pattern, PatternType, Predicate

_ESCAPES = {character: "\\" + letter for letter, character in ESCAPES.items()}
_SLASH = re.compile(r"\\(.)|/", re.DOTALL)


def quote(text: str, delimiter: str = '"') -> str:
    """The text in quotes, with the escapes that both kinds of quoted strings know."""
    inside = "".join(_ESCAPES.get(character, character) for character in text)
    return delimiter + inside.replace(delimiter, "\\" + delimiter) + delimiter


def without_escaped_slashes(source: str) -> str:
    """The same regular expression with every slash bare."""
    return _SLASH.sub(lambda m: "/" if m[1] == "/" else m[0], source)


def slashes(source: str) -> str:
    """A regular expression between slashes."""
    return "/" + _SLASH.sub(lambda m: "\\/" if m[1] in (None, "/") else m[0], source) + "/"


def write_filter(entry: Filter) -> str:
    """A filter by its canonical name, its value bare where that is read back the same."""
    name = f"{'-' * entry.negated}{entry.field}:"
    bare = name + entry.value
    same = _reads_as(bare, entry.field, entry.value, entry.negated, entry.predicate)
    return bare if same else name + quote(entry.value)


def write_term(term: Pattern, mode: PatternType) -> str:
    """A term, with its NOT, as the pattern type has it."""
    match term.form:
        case Form.QUOTED:
            text = quote(term.text)
        case Form.SLASHED:
            text = slashes(term.text)
        case _:
            text = term.text
    return f"NOT {text}" if term.negated else text


@lru_cache(maxsize=16384)
def is_bare_word(text: str) -> bool:
    """Whether a literal term of a keyword search needs no quotes."""
    try:
        tree = parse_tree(text, PatternType.KEYWORD).tree
    except QueryError:
        return False
    return (
        isinstance(tree, Pattern)
        and tree.form is Form.BARE
        and tree.text == text
        and _TAME.match(text) is not None
    )


_TAME = re.compile(r"(?!(?i:and|or|not)\Z)[\w.][^\s\"'`/\\:()]*\Z")


@lru_cache(maxsize=16384)
def _reads_as(text: str, field: str, value: str, negated: bool, predicate: Predicate | None) -> bool:
    try:
        tree = parse_tree(text, PatternType.KEYWORD).tree
    except QueryError:
        return False
    return tree is not None and shape(tree) == ("filter", field, value, negated, predicate)


def shape(node: Node | None) -> object:
    """A tree without its positions and spellings, to compare two of them."""
    match node:
        case Filter():
            return "filter", node.field, node.value, node.negated, node.predicate
        case Pattern():
            return "term", node.text, node.negated, node.form
        case Operator():
            return node.kind, tuple(shape(operand) for operand in node.operands)
    return None
