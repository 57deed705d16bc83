"""The rules for the arguments of predicates."""

from __future__ import annotations

import re

from .dates import is_date
from .predicates import Argument, PredicateRule
from .scanner import SPACE, end_of, is_space, quoted
from .values import Fault, regexp_fault

_SPACES = re.compile(f"[{SPACE}]+")
_PAIR = re.compile(rf"-?(?i:(path|file|content)):|(?i:(or|and|not))(?=[{SPACE}(]|\Z)")
_END = re.compile(rf"(?:[^{SPACE}\\]|\\.)*+", re.DOTALL)


def argument_fault(rule: PredicateRule, argument: str) -> Fault | None:
    """What is wrong with a predicate's argument, or None."""
    problem = _problem(rule, argument)
    if problem is None:
        return None
    message, fix = problem
    return "bad_predicate", f"{rule.field}:{rule.name}({argument}): {message}", fix


def _problem(rule: PredicateRule, argument: str) -> tuple[str, str] | None:
    match rule.argument:
        case Argument.FILE_QUERY:
            return _file_query("path", argument)
        case Argument.OLD_FILE_QUERY:
            return _file_query("file", argument)
        case Argument.REGEXP:
            return _regexp(argument) if argument else ("it needs a value.", "Write one in the parentheses.")
        case Argument.OWNER_REGEXP:
            return _regexp(argument)
        case Argument.TEXT:
            return None if argument else ("it needs a value.", "Write one in the parentheses.")
        case Argument.META:
            return _metadata(argument, needs_value=rule.name == "has")
        case Argument.TAG:
            return _metadata(argument, needs_value=False)
        case Argument.REVISION_DATE:
            return _revision_date(argument)
    return None


def _regexp(source: str) -> tuple[str, str] | None:
    fault = regexp_fault(source, "it")
    return fault and fault[1:]


def _file_query(path: str, argument: str) -> tuple[str, str] | None:
    """``path:RE content:RE`` in any order, at least one; or one bare regex, which is the path."""
    fix = f"Write {path}:RE, content:RE or both."
    given = set[str]()
    position = 0
    while True:
        if spaces := _SPACES.match(argument, position):
            position = spaces.end()
        if position >= len(argument):
            break
        pair = _PAIR.match(argument, position)
        if pair and pair[2]:
            return f"{pair[2]} has no place here.", fix
        name = "bare"
        if pair:
            name = pair[1].lower()
            if pair[0].startswith("-"):
                return "its parts cannot be negated.", fix
            if name not in (path, "content"):
                return f"it has no part {name}:.", fix
            position = pair.end()
        value, position = _value(argument, position)
        if name in given or (given and "bare" in (name, *given)):
            return "it takes each part once.", fix
        given.add(name)
        if problem := _regexp(value):
            return problem
    if not given:
        return "it needs a value.", fix
    if given == {"bare"} and path == "file":
        return f"it needs {path}: or content:.", fix
    return None


def _value(argument: str, position: int) -> tuple[str, int]:
    if argument[position : position + 1] in ('"', "'") and (inside := quoted(argument, position)):
        return inside
    end = end_of(_END, argument, position)
    return argument[position:end], end if end > position else len(argument)


def _metadata(argument: str, *, needs_value: bool) -> tuple[str, str] | None:
    fix = "Write key or key:value, with quotes around what has spaces or colons."
    parts = list[str]()
    position = 0
    while True:
        while position < len(argument) and is_space(argument[position]):
            position += 1
        if argument[position : position + 1] in ('"', "'", "/") and argument[position:]:
            inside = quoted(argument, position)
            if inside is None:
                return f"the {argument[position]} is never closed.", fix
            part, position = inside
            end = argument.find(":", position)
            end = len(argument) if end < 0 else end
            if parts and argument[position:end].strip():
                return "something follows the quotes.", fix
            position = end
        else:
            end = argument.find(":", position)
            end = len(argument) if end < 0 else end
            part, position = argument[position:end], end
        parts.append(part)
        if position >= len(argument):
            break
        position += 1
    if not parts[0].strip():
        return "it needs a key.", fix
    if len(parts) > 2:
        return "it has too many colons.", fix
    if needs_value and len(parts) < 2:
        return "it needs a key and a value.", fix
    return None


def _revision_date(argument: str) -> tuple[str, str] | None:
    fix = "Write at.time(2024-01-31), and perhaps a revision after a comma."
    parts = [part.strip() for part in argument.split(",")]
    if not 1 <= len(parts) <= 2:
        return "it takes a date and perhaps a revision.", fix
    return None if is_date(parts[0]) else (f"{parts[0]!r} is no date.", fix)
