"""The closed list of operators that a query may use, and how the operators of a query are found.

An operator is a name directly followed by `:` where a term begins: at the start of the query, after white
space or after `(`, with an optional `-` or `!` before it. A name is letters, with `_` or `-` among them, and
its case does not matter. Nothing inside a string in double or single quotes, or inside a URL (`scheme://…`),
is an operator. A quote opens a string unless it stands within a word, as in `don't`, and has to be closed.

These are the rules of the evaluation, not the server's: `/…/` quotes nothing, the arguments of predicates
such as `repo:has.file(path:…)` count like operators, and `path:` is not in the list although a server takes
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from attrs import frozen

OPERATORS: frozenset[str] = frozenset(
    (
        *("repo", "file", "lang", "language", "l", "content", "type", "case", "rev", "fork", "archived"),
        *("visibility", "context", "author", "committer", "before", "after", "message", "count", "timeout"),
        *("patterntype", "select"),
    )
)
"""The operators that are valid; any other name is a hallucination."""

_GITHUB = "GitHub syntax, not supported"
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "path": "Use `file:` instead",
        "branch": "Use `rev:` or `@branch` syntax",
        "extension": r"Use `file:\.ext$`",
        "ext": r"Use `file:\.ext$`",
        "in": _GITHUB,
        "is": _GITHUB,
        "sort": _GITHUB,
        "stars": _GITHUB,
    }
)
"""What to write instead of the hallucinations that models are known for."""

OTHER_ADVICE = "Not a Sourcegraph operator; put it in quotes to search for the text"

QUOTED = r"""(?<![\w\\])(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
"""Matches a string in quotes."""

URL = r"(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://\S*"
"""Matches a URL."""

OPERATOR = r"(?<![^\s(])[-!]?(?P<name>[A-Za-z][A-Za-z_-]*):"
"""Matches an operator with its colon, where there is neither a string nor a URL."""

_OPAQUE = re.compile(rf"{QUOTED}|{URL}", re.DOTALL)
_OPERATOR = re.compile(OPERATOR)


@frozen
class Hallucination:
    """A name used as an operator that is none.

    Attributes:
        name: The name, in lower case, without its colon.
        advice: What to write instead.
    """

    name: str
    advice: str

    def __str__(self) -> str:
        return f"`{self.name}:` → {self.advice}"


@lru_cache(maxsize=16384)
def operators(query: str) -> frozenset[str]:
    """The names of all operators in a query, in lower case, valid or not."""
    return frozenset(_names(query))


def hallucinations(query: str) -> tuple[Hallucination, ...]:
    """The names in a query that are no operators, each once, in the order they appear."""
    wrong = (name for name in dict.fromkeys(_names(query)) if name not in OPERATORS)
    return tuple(Hallucination(name, ADVICE.get(name, OTHER_ADVICE)) for name in wrong)


def _names(query: str) -> list[str]:
    return [match["name"].lower() for match in _OPERATOR.finditer(_OPAQUE.sub('""', query))]
