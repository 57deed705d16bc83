"""The rules for the values of filters: each tells what is wrong with a value, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from .dates import is_date
from .fields import FIELDS, Value
from .globs import from_glob
from .languages import language, suggestion
from .regexes import regexp_error

Fault: TypeAlias = tuple[str, str, str]
"""The kind, the message and the fix of a finding."""

_TRUE_OR_FALSE = frozenset(["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])
_YES_NO_ONLY = _TRUE_OR_FALSE | frozenset(
    ["y", "Y", "yes", "YES", "Yes", "n", "N", "no", "NO", "No", "o", "only", "ONLY", "Only"]
)
_YES = frozenset(["y", "yes", "1", "t", "true"])
_NO = frozenset(["n", "no", "0", "f", "false"])
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)\Z")
_DURATION_PART = re.compile(r"([0-9.]+)([a-zµμ]+)")
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LONGEST_DURATION = 2**63 - 1  # nanoseconds, some 292 years
_COUNT = re.compile(r"\+?[0-9]{1,20}\Z")
_LARGEST_COUNT = 2**31 - 1
SYMBOL_KINDS = [
    "file",
    "module",
    "namespace",
    "package",
    "class",
    "method",
    "property",
    "field",
    "constructor",
    "enum",
    "interface",
    "function",
    "variable",
    "constant",
    "string",
    "number",
    "boolean",
    "array",
    "object",
    "key",
    "null",
    "enum-member",
    "struct",
    "event",
    "operator",
    "type-parameter",
]
"""The kinds of symbols that ``select:symbol.KIND`` knows."""
SELECTIONS = [
    "repo",
    "file",
    "file.path",
    "file.directory",
    "file.owners",
    "content",
    "symbol",
    "commit",
    "commit.diff",
    "commit.diff.added",
    "commit.diff.removed",
] + [f"symbol.{kind}" for kind in SYMBOL_KINDS]
"""Every value of ``select:``."""


def regexp_fault(source: str, what: str) -> Fault | None:
    """What is wrong with a regular expression; ``what`` names the thing that holds it."""
    reason = regexp_error(source)
    if reason is None:
        return None
    return "bad_regexp", f"{what} is no regular expression: {reason}.", _regexp_fix(source)


def _regexp_fix(source: str) -> str:
    regexp = from_glob(source)
    if regexp is not None:
        write = f"write {regexp} instead" if regexp else "leave it out, as it matches everything"
        return f"This is a glob; {write}."
    if re.search(r"\(\?(?:[=!]|<[=!])", source):
        return "RE2 has no lookaround: leave it out, or use NOT for what must be absent."
    if re.search(r"\\[1-9]", source):
        return "RE2 has no back-references: write the text out."
    return "Escape special characters with a backslash to search for them as text."


def _language_fault(value: str) -> Fault | None:
    if language(value) is not None:
        return None
    if not value:
        return "unknown_language", "The filter names no language.", "Write one, as in lang:go."
    meant = suggestion(value)
    fix = (
        f"Write lang:{_spelled(meant)}."
        if meant
        else r"Use file: for files by their names, as in file:\.ext$."
    )
    return "unknown_language", f"There is no language {value!r}.", fix


def _spelled(name: str) -> str:
    return f'"{name}"' if " " in name else name.lower()


def _boolean_fault(value: str) -> Fault | None:
    if value.lower() in ("y", "yes", "n", "no") or value in _TRUE_OR_FALSE:
        return None
    return "bad_boolean", f"{value!r} is neither yes nor no.", "Write yes or no."


def switch(value: str) -> str:
    """A valid yes, no or only, however it is spelt, as one of these words."""
    lower = value.lower()
    return "yes" if lower in _YES else "no" if lower in _NO else "only"


def _yes_no_only_fault(value: str) -> Fault | None:
    if value in _YES_NO_ONLY:
        return None
    return "bad_yes_no_only", f"{value!r} is none of yes, no and only.", "Write yes, no or only."


def _date_fault(value: str) -> Fault | None:
    if is_date(value):
        return None
    return "bad_date", f"{value!r} is no date.", 'Write 2024-01-31, "2 weeks ago" or yesterday.'


def _count_fault(value: str) -> Fault | None:
    if value == "all" or (_COUNT.match(value) and 0 < int(value) <= _LARGEST_COUNT):
        return None
    return "bad_count", f"{value!r} is no positive number.", "Write a number such as 50, or all."


def _duration_fault(value: str) -> Fault | None:
    if _DURATION.match(value):
        parts = _DURATION_PART.findall(value)
        if sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in parts) <= _LONGEST_DURATION:
            return None
        return "bad_timeout", "The duration is longer than the server can count.", "Write a shorter one: 60s."
    return "bad_timeout", f"{value!r} is no duration.", "Write a number with its unit: 10s, 500ms or 1m30s."


def _select_fault(value: str) -> Fault | None:
    if value in SELECTIONS:
        return None
    fix = "Write repo, file, content, symbol, symbol.function, commit or another kind of result."
    return "bad_select", f"Results have no part {value!r}.", fix


def _nothing_fault(value: str) -> Fault | None:
    return "unrecognized_field", "The server no longer knows g:.", "Name the repositories with repo:."


def _no_fault(value: str) -> Fault | None:
    return None


RULES: dict[Value, Callable[[str], Fault | None]] = {
    Value.LANGUAGE: _language_fault,
    Value.BOOLEAN: _boolean_fault,
    Value.YES_NO_ONLY: _yes_no_only_fault,
    Value.DATE: _date_fault,
    Value.COUNT: _count_fault,
    Value.DURATION: _duration_fault,
    Value.SELECT: _select_fault,
    Value.NOTHING: _nothing_fault,
    Value.REGEXP: lambda value: regexp_fault(value, "The value"),
    Value.REPOSITORY: lambda value: regexp_fault(value.split("@", 1)[0], "The value"),
}
"""The rule of each kind of value that the server checks."""


CHECKS: dict[str, Callable[[str], Fault | None]] = {
    name: lru_cache(maxsize=16384)(RULES[field.value]) if field.value in RULES else _no_fault
    for name, field in FIELDS.items()
}
"""The rule for the values of each filter by the filter's name, remembering its answers."""
