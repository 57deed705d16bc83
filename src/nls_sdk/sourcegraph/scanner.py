"""Where things end: the words, quoted strings, slashed regexes and balanced stretches of a query."""

from __future__ import annotations

import re

from .fields import NAMES
from .findings import Finding, QueryError

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The server's whitespace, to stand inside the brackets of a regular expression."""

SPACES = re.compile(f"[{SPACE}]*+")
WORD = re.compile(rf"[^{SPACE}]*+")
ESCAPED_WORD = re.compile(rf"(?:[^{SPACE}\\]|\\.|\\\Z)*+", re.DOTALL)
STUMP = re.compile(rf"(?:[^{SPACE}()\\]|\\.|\\\Z)*+", re.DOTALL)
FIELD_START = re.compile(r"-?([A-Za-z]+):")
OPERATOR_WORD = re.compile(rf"(?i:(and|or)(?=[{SPACE}()]|\Z)|(not)(?=[{SPACE}]))")
_INNER_WORD = re.compile(rf"(?i:and|or|not)(?=[{SPACE}(])")

_INTERESTING = re.compile(rf"[{SPACE}()\\:]")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_IS_SPACE = frozenset(_WHITESPACE)


class Balance:
    """Finds stretches of a query whose parentheses balance.

    Remembers the parentheses that never close, so that a query full of them is read in linear time.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._hopeless: set[int] = set()

    def end(self, start: int) -> int | None:
        """Where the term that begins at ``start`` ends, or None when its parentheses do not balance.

        Whitespace ends a term outside of parentheses. Inside of them a known filter or an operator word
        means that they group an expression, so that the stretch is no term.
        """
        text, open_at = self._text, list[int]()
        position = piece = start
        while match := _INTERESTING.search(text, position):
            at = match.start()
            position = at + 1
            match text[at]:
                case "\\":
                    position += 1
                    continue
                case ":":
                    if open_at and _is_field(text[piece:at]):
                        return self._give_up(open_at)
                    continue
                case "(":
                    if at in self._hopeless:
                        return self._give_up(open_at)
                    open_at.append(at)
                    piece = position
                case ")":
                    if not open_at:
                        return at
                    open_at.pop()
                    piece = position
                    continue
                case _:
                    if not open_at:
                        return at
                    piece = position
            if _INNER_WORD.match(text, position):
                return self._give_up(open_at)
        return self._give_up(open_at) if open_at else len(text)

    def _give_up(self, open_at: list[int]) -> int | None:
        self._hopeless.update(open_at)
        return None


def _is_field(piece: str) -> bool:
    return piece.removeprefix("-").lower() in NAMES


def quoted(text: str, start: int) -> tuple[str, int] | None:
    """Reads a quoted string or slashed regex that begins at ``start`` and keeps unknown escapes.

    Returns:
        What is inside and where it ends, or None when it is not closed.
    """
    delimiter = text[start]
    position = start + 1
    parts: list[str] = []
    stop = re.compile(rf"[\\{delimiter}]")
    while match := stop.search(text, position):
        at = match.start()
        parts.append(text[position:at])
        if text[at] == delimiter:
            return "".join(parts), at + 1
        escaped = text[at + 1 : at + 2]
        parts.append(_unescape(escaped, delimiter))
        position = at + 2
    return None


def _unescape(escaped: str, delimiter: str) -> str:
    if escaped == delimiter:
        return escaped
    if delimiter != "/" and escaped in _ESCAPES:
        return _ESCAPES[escaped]
    return "\\" + escaped


def quoted_value(text: str, start: int) -> tuple[str, int]:
    """Reads a filter's quoted value that begins at ``start``; only the standard escapes are allowed.

    Returns:
        What is inside and where it ends.

    Raises:
        QueryError: It has another escape, or is not closed.
    """
    delimiter = text[start]
    position = start + 1
    parts: list[str] = []
    stop = re.compile(rf"[\\{delimiter}]")
    while match := stop.search(text, position):
        at = match.start()
        parts.append(text[position:at])
        if text[at] == delimiter:
            return "".join(parts), at + 1
        escaped = text[at + 1 : at + 2]
        if not escaped:
            break
        if escaped != delimiter and escaped not in _ESCAPES:
            raise QueryError(_bad_escape(at, escaped))
        parts.append(escaped if escaped == delimiter else _ESCAPES[escaped])
        position = at + 2
    raise QueryError(
        Finding(
            "unterminated_quote_in_filter_value",
            start,
            len(text),
            f"The {delimiter} that opens the filter's value is never closed.",
            f"Close it with {delimiter}, or leave the quotes out.",
        )
    )


def _bad_escape(at: int, escaped: str) -> Finding:
    return Finding(
        "bad_escape_in_quoted_filter_value",
        at,
        at + 2,
        f"A quoted filter value knows no escape \\{escaped}.",
        f"Leave the quotes out, or write \\\\{escaped}.",
    )


def strip(text: str) -> str:
    """The text without the server's whitespace around it."""
    return text.strip(_WHITESPACE)


def is_space(character: str) -> bool:
    """Whether the server takes the character for whitespace."""
    return character in _IS_SPACE
