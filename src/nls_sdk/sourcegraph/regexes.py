"""Regular expressions by RE2, the engine whose syntax the server's has."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

LONGEST = 10_000
"""The length, in characters, from which a regular expression is refused unread: RE2 grows slow and loud."""

_PIECE = r"(?:(?:[^\\\[\](){}*+?|^$]|\\[.\-/dwsDWS])[*+?]?+(?![*+?])|[|^$](?![*+?])|\\[bB](?![*+?]))"
_SURE = re.compile(rf"(?:{_PIECE}|\((?:\?:)?{_PIECE}*+\)[*+?]?+(?![*+?]))*+\Z")
"""Surely a regular expression: characters and groups of them, with one quantifier each at the most."""


def regexp_error(source: str) -> str | None:
    """Why a regular expression is none, in RE2's words; None when it is one."""
    if _SURE.match(source):
        return None
    if len(source) > LONGEST:
        return f"it has more than {LONGEST} characters, which is more than is checked"
    return _compiled_error(source)


@lru_cache(maxsize=16384)
def _compiled_error(source: str) -> str | None:
    try:
        _re2().compile(source, _options())
    except _re2().error as error:
        reason = error.args[0] if error.args else ""
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    except UnicodeEncodeError:
        return "not a Unicode text"
    return None


@lru_cache(maxsize=1)
def _re2() -> Any:
    import re2

    return re2


@lru_cache(maxsize=1)
def _options() -> Any:
    options = _re2().Options()
    options.log_errors = False
    options.max_mem = 256 << 20
    return options


def literal(source: str) -> str | None:
    """The one text that a regular expression matches; None when it may match others."""
    return _ESCAPED.sub(r"\1", source) if _LITERAL.match(source) else None


_LITERAL = re.compile(r"(?:[^\\\[\](){}*+?|.^$]|\\[!-/:-@\[-`{-~])*\Z")
_ESCAPED = re.compile(r"\\(.)")
