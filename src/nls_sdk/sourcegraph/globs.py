"""Globs, written where a regular expression is wanted: what regular expression they mean."""

from __future__ import annotations

import re

from .regexes import regexp_error

_GLOB = re.compile(r"\^?[\w./\-*?{},@+ ~=#]*\*[\w./\-*?{},@+ ~=#]*\$?\Z", re.ASCII)
_PIECE = re.compile(r"(?P<folders>\*\*+/)|(?P<any>\*\*+)|(?P<star>\*)|(?P<one>\?)|(?P<or>,)|(?P<sign>[.+])")
_WRITTEN = {"folders": "(.*/)?", "any": ".*", "star": "[^/]*", "one": "[^/]"}


def from_glob(source: str) -> str | None:
    r"""The regular expression that a glob means, to search names with.

    Args:
        source: Such as ``*.{ts,tsx}``; ``^`` before it and ``$`` behind it are passed over.

    Returns:
        Such as ``\.(ts|tsx)$``; an empty text for a glob that matches every name; None for
        what is no glob.
    """
    if not _GLOB.match(source):
        return None
    glob = source.removeprefix("^").removesuffix("$")
    inner = glob.lstrip("*")
    opens = inner != glob
    if opens and glob.startswith("**/"):
        # Any folders, or none, before a name that has to match as a whole unless it begins with a star.
        inner = inner[1:]
        opens = inner.startswith("*")
        inner = inner.lstrip("*")
    closes = inner.endswith("*")
    inner = inner.rstrip("*")
    if closes and inner.endswith("/") and not inner.strip("/"):
        inner = ""
    if not inner:
        return ""
    start = "" if opens or inner.startswith("/") else "^" if _at_the_root(glob, inner) else "(^|/)"
    regexp = start + _translated(inner) + ("" if closes else "$")
    return regexp if regexp_error(regexp) is None else None


def _at_the_root(glob: str, inner: str) -> bool:
    return not glob.startswith("**/") and "/" in inner


def _translated(glob: str) -> str:
    depth = 0
    written: list[str] = []
    position = 0
    while position < len(glob):
        match = _PIECE.match(glob, position)
        character = glob[position]
        position = match.end() if match else position + 1
        kind = match.lastgroup if match else None
        if character in "{}":
            depth += 1 if character == "{" else -1
            written.append("(" if character == "{" else ")")
        elif kind == "or":
            written.append("|" if depth else ",")
        elif kind == "sign":
            written.append("\\" + character)
        else:
            written.append(_WRITTEN[kind] if kind else character)
    return "".join(written)
