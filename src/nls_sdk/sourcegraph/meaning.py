"""What filters mean, whatever their spelling: the normal form of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from attrs import evolve

from .dates import normal_date
from .fields import FIELDS, Value
from .languages import language
from .predicates import PREDICATES
from .syntax import Filter, Form, Predicate
from .values import switch
from .writing import write_filter

_PARTS = re.compile(r"\s*(?i:(?:path|file):(?P<path>[^\s\"'()]+)|content:(?P<content>[^\s\"'()]+))")
EVERYTHING = 99_999_999
"""What the server makes of ``count:all``."""

_BARE_PATH = re.compile(r"\s*([^\s\"'():]+)\s*\Z")


def meaning(filters: Iterable[Filter]) -> list[str]:
    """Filters in their normal form, in no order.

    Revisions stand with their repositories, predicates have their newest names, languages Linguist's
    names, and what changes nothing is left out.
    """
    filters = tuple(filters)
    repositories = [entry for entry in filters if entry.field == "repo" and not entry.negated]
    named = any(entry.predicate is None and entry.value.strip("@:") for entry in repositories)
    revisions = [entry for entry in filters if entry.field == "rev"] if named else []
    names_repository = named or any(entry.predicate is not None for entry in repositories)
    return [
        write_filter(normal)
        for entry in filters
        if entry.value and entry.field != "patterntype" and entry not in revisions
        for normal in _normal(entry, revisions, names_repository)
    ]


def _normal(entry: Filter, revisions: list[Filter], names_repository: bool) -> Iterator[Filter]:
    value = entry.value
    if entry.predicate is not None:
        value = _predicate(entry.field, entry.predicate)
    elif entry.field == "repo":
        # In a repository left out, @ is an ordinary character.
        if not entry.negated:
            value = _repository(value, revisions)
            yield from (evolve(r, name="rev") for r in revisions if r.predicate is not None)
    elif entry.field == "rev":
        value = ":".join(_revisions([value]))
    else:
        value = _plain(entry.field, value)
        # Whether forks and archived repositories are searched by default depends on the repo: filters.
        if value == FIELDS[entry.field].default and not (
            names_repository and entry.field in ("fork", "archived")
        ):
            return
        if (entry.field, value) == ("context", "global"):
            return
    if not value:
        return
    yield evolve(entry, value=value, form=Form.BARE, predicate=_reread(entry, value), name=entry.field)


def _reread(entry: Filter, value: str) -> Predicate | None:
    if entry.predicate is None:
        return None
    name, _, argument = value.partition("(")
    return Predicate(name, argument[:-1])


def _plain(field: str, value: str) -> str:
    match FIELDS[field].value:
        case Value.LANGUAGE:
            return (language(value) or value).lower()
        case Value.BOOLEAN | Value.YES_NO_ONLY:
            return switch(value)
        case Value.VISIBILITY:
            return value.lower() if value.lower() in ("public", "private") else "any"
        case Value.COUNT:
            return "all" if value == "all" or int(value) == EVERYTHING else str(int(value))
        case Value.DATE:
            return normal_date(value)
    return value


def _repository(value: str, revisions: list[Filter]) -> str:
    name, _at, given = value.partition("@")
    wanted = _revisions([given, *(entry.value for entry in revisions if entry.predicate is None)])
    return f"{name}@{':'.join(wanted)}" if wanted else name


def _revisions(lists: Iterable[str]) -> list[str]:
    """What lists of revisions name, in order."""
    return sorted({revision for text in lists for revision in text.split(":") if revision})


def _predicate(field: str, predicate: Predicate) -> str:
    """A predicate by its newest name: has.file of a path alone is has.path, and so on."""
    rule = PREDICATES[field, predicate.name]
    argument = predicate.argument.strip()
    name = rule.name
    if name in ("has.file", "contains"):
        path, content = _file_query(argument)
        if path and content:
            return f"has.file(content:{content} path:{path})"
        if path or content:
            return f"has.path({path})" if path else f"has.content({content})"
        return f"has.file({argument.replace('file:', 'path:', 1) if name == 'contains' else argument})"
    if name == "has":
        return f"has.meta({argument})"
    if name == "has.tag":
        return f"has.meta({argument}:)"
    if name == "has.key":
        return f"has.meta({argument})"
    return f"{name}({argument})"


def _file_query(argument: str) -> tuple[str, str]:
    if bare := _BARE_PATH.match(argument):
        return bare[1], ""
    found = {"path": "", "content": ""}
    position = 0
    while match := _PARTS.match(argument, position):
        found.update({name: value for name, value in match.groupdict().items() if value})
        position = match.end()
    return ("", "") if argument[position:].strip() else (found["path"], found["content"])
