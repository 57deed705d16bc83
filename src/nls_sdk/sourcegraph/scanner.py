"""Where things end: the words, quoted strings, slashed regexes and balanced stretches of a query."""

from __future__ import annotations

import re
from collections.abc import Callable

from .fields import NAMES
from .findings import Finding, QueryError

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The server's whitespace, to stand inside the brackets of a regular expression."""

SPACES = re.compile(f"[{SPACE}]*+")
WORD = re.compile(rf"[^{SPACE}]*+")
ESCAPED_WORD = re.compile(rf"(?:[^{SPACE}\\]|\\.|\\\Z)*+", re.DOTALL)
STUMP = re.compile(rf"(?:[^{SPACE}()\\]|\\.|\\\Z)*+", re.DOTALL)
_CALLS = rf"(?:[^{SPACE}()\\]++|\\[^{SPACE}]|\((?:[^{SPACE}()\\:]++|\\[^{SPACE}])*+\))"
BALANCED = re.compile(rf"{_CALLS}++(?=[{SPACE})]|\Z)")
"""Text without spaces in which every parenthesis closes; what is inside of them groups nothing."""
_SIMPLE = rf"(?![\"'/()]|\Z|(?i:and|or|not)(?:[{SPACE}()]|\Z))((-?+)([A-Za-z]*+)(:?+)({_CALLS}*+))"
SIMPLE = re.compile(rf"[{SPACE}]*+(?:{_SIMPLE}(?=[{SPACE})]|\Z))?+")
"""Spaces, and the word behind them if every pattern type reads it alike. Groups hold the word and its parts:
``-``, letters, a colon, the rest. Operators, groups and what begins with a quote or a slash are none."""
SIMPLE_TEXT = re.compile(rf"[{SPACE}]*+(?:{_SIMPLE}(?=[{SPACE}]|\Z))?+")
"""The same where parentheses are text."""
FIELD_START = re.compile(r"-?([A-Za-z]+):")
OPERATOR_WORD = re.compile(
    rf"(?i:(?<=[{SPACE})])(?:and|or)(?=[{SPACE}(])|(?<=\))(?:and|or)(?=\)|\Z)"
    rf"|(?<![^{SPACE}()])not(?=[{SPACE}]))"
)
"""AND, OR and NOT where they are not text, but for an AND or OR at the very start."""
_INNER_WORD = re.compile(rf"(?i:and|or|not)(?=[{SPACE}(])")

_INTERESTING = re.compile(rf"[{SPACE}()\\:]")
_PARENTHESIS = re.compile(r"[()\\]")
_QUOTED = {
    delimiter: re.compile(rf"{delimiter}((?:[^{delimiter}\\]++|\\.)*+)({delimiter}?)", re.DOTALL)
    for delimiter in "\"'/"
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_WHITESPACE = "".join(re.findall(f"[{SPACE}]", "".join(map(chr, range(0x3001)))))
_IS_SPACE = frozenset(_WHITESPACE)


def end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where the pattern's match at the position ends; the position itself where there is none."""
    match = pattern.match(text, position)
    return match.end() if match else position


class Balance:
    """Finds stretches of a query whose parentheses balance.

    Remembers the parentheses that never close, so that a query full of them is read in linear time.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._hopeless: set[int] = set()
        self._never_closed: set[int] = set()

    def close(self, start: int) -> int | None:
        """Where the parenthesis at ``start`` closes, whatever is inside, or None when it does not."""
        if start in self._never_closed:
            return None
        open_at = list[int]()
        position = start
        while match := _PARENTHESIS.search(self._text, position):
            position = match.end()
            if match[0] == "(":
                open_at.append(match.start())
            elif match[0] == ")":
                open_at.pop()
                if not open_at:
                    return match.start()
            else:
                position += 1
        self._never_closed.update(open_at)
        return None

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


def _kept(at: int, escaped: str) -> str:
    return "\\" + escaped


def quoted(text: str, start: int, unknown: Callable[[int, str], str] = _kept) -> tuple[str, int] | None:
    """Reads a quoted string or slashed regex.

    Args:
        text: The query.
        start: Where the delimiter stands that opens it.
        unknown: What an unknown escape means, by its place and its character; it is kept as it is.

    Returns:
        What is inside and where it ends, or None when it is not closed.
    """
    delimiter = text[start]
    match = _QUOTED[delimiter].match(text, start)
    if match is None:
        return None
    inside, closed = match.groups()
    if "\\" in inside:
        known = ESCAPES if delimiter != "/" else {}

        def meant(escape: re.Match[str]) -> str:
            escaped = escape[1]
            if escaped == delimiter:
                return escaped
            return known.get(escaped) or unknown(start + 1 + escape.start(), escaped)

        inside = _ESCAPE.sub(meant, inside)
    return (inside, match.end()) if closed else None


def quoted_value(text: str, start: int) -> tuple[str, int]:
    """Reads a filter's quoted value that begins at ``start``; only the standard escapes are allowed.

    Returns:
        What is inside and where it ends.

    Raises:
        QueryError: It has another escape, or is not closed.
    """
    delimiter = text[start]
    inside = quoted(text, start, _refused)
    if inside is None:
        raise QueryError(
            Finding(
                "unterminated_quote_in_filter_value",
                start,
                len(text),
                f"The {delimiter} that opens the filter's value is never closed.",
                f"Close it with {delimiter}, or leave the quotes out.",
            )
        )
    return inside


def _refused(at: int, escaped: str) -> str:
    raise QueryError(
        Finding(
            "bad_escape_in_quoted_filter_value",
            at,
            at + 2,
            f"A quoted filter value knows no escape \\{escaped}.",
            f"Leave the quotes out, or write \\\\{escaped}.",
        )
    )


def strip(text: str) -> str:
    """The text without the server's whitespace around it."""
    return text.strip(_WHITESPACE)


def is_space(character: str) -> bool:
    """Whether the server takes the character for whitespace."""
    return character in _IS_SPACE
