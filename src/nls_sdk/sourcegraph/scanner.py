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
BARE = re.compile(rf"{_CALLS}++(?=[{SPACE})]|\Z)")
"""Text without spaces in which every parenthesis closes; what is inside of them groups nothing."""
SIMPLE = re.compile(
    rf"[{SPACE}]*+(?![\"'/(]|\Z|(?i:and|or|not)(?:[{SPACE}()]|\Z))"
    rf"((-?+)([A-Za-z]*+)(:?+)({_CALLS}*+))(?=[{SPACE}]|\Z)"
)
"""A word that every pattern type reads alike, and its parts: all of it, ``-``, letters, a colon, the rest.
Operators, groups and what begins with a quote or a slash are none."""
FIELD_START = re.compile(r"-?([A-Za-z]+):")
OPERATOR_WORD = re.compile(
    rf"(?i:(?<=[{SPACE})])(?:and|or)(?=[{SPACE}(])|(?<=\))(?:and|or)(?=\)|\Z)"
    rf"|(?<![^{SPACE}()])not(?=[{SPACE}]))"
)
"""AND, OR and NOT where they are not text, but for an AND or OR at the very start."""
_INNER_WORD = re.compile(rf"(?i:and|or|not)(?=[{SPACE}(])")

_INTERESTING = re.compile(rf"[{SPACE}()\\:]")
_PARENTHESIS = re.compile(r"[()\\]")
_STOPS = {delimiter: re.compile(rf"[\\{delimiter}]") for delimiter in "\"'/"}
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


def quoted(text: str, start: int) -> tuple[str, int] | None:
    """Reads a quoted string or slashed regex that begins at ``start`` and keeps unknown escapes.

    Returns:
        What is inside and where it ends, or None when it is not closed.
    """
    return _inside(text, start, _kept)


def quoted_value(text: str, start: int) -> tuple[str, int]:
    """Reads a filter's quoted value that begins at ``start``; only the standard escapes are allowed.

    Returns:
        What is inside and where it ends.

    Raises:
        QueryError: It has another escape, or is not closed.
    """
    delimiter = text[start]
    inside = _inside(text, start, _refused)
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


def _inside(text: str, start: int, unknown: Callable[[int, str], str]) -> tuple[str, int] | None:
    """Reads up to the delimiter that stands at ``start``; ``unknown`` says what an unknown escape means."""
    delimiter = text[start]
    known = ESCAPES if delimiter != "/" else {}
    stop = _STOPS[delimiter]
    position = start + 1
    parts: list[str] = []
    while match := stop.search(text, position):
        at = match.start()
        parts.append(text[position:at])
        if text[at] == delimiter:
            return "".join(parts), at + 1
        escaped = text[at + 1 : at + 2]
        if not escaped:
            break
        parts.append(escaped if escaped == delimiter else known.get(escaped) or unknown(at, escaped))
        position = at + 2
    return None


def _kept(at: int, escaped: str) -> str:
    return "\\" + escaped


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
