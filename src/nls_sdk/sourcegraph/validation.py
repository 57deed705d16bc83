"""`validate`: every rule by which the server refuses a query, on each basic query that it expands to."""

from __future__ import annotations

from collections.abc import Iterator

from .arguments import argument_fault
from .basic import BasicQuery, basic_queries
from .fields import COMMIT_FIELDS, FIELDS, Value
from .findings import Finding, QueryError
from .predicates import PREDICATES
from .reading import parse
from .syntax import SLASHED, STRUCTURAL, Filter, Leaf, Pattern, PatternType, Query, leaves
from .values import CHECKS, regexp_fault

_REPEATABLE = frozenset(name for name, field in FIELDS.items() if field.repeatable)
_JOINT = COMMIT_FIELDS | {"rev", "repohasfile", "index"}


def validate(query: str | Query, pattern_type: str = "keyword") -> list[Finding]:
    """Finds why the server would refuse a query.

    Args:
        query: Its text, or what `parse` made of it.
        pattern_type: How terms are read when the text does not say so itself.

    Returns:
        The findings, that of the server first; none when the query is valid.
    """
    try:
        read = query if isinstance(query, Query) else parse(query, pattern_type)
        branches = basic_queries(read)
    except QueryError as error:
        return [error.finding]
    found = [finding for branch in branches for finding in _check(branch, read.pattern_type)]
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def _check(basic: BasicQuery, mode: PatternType) -> list[Finding]:
    found: list[Finding] = []
    seen: set[str] = set()
    for entry in basic.filters:
        name = entry.field
        if entry.negated or entry.predicate or (name in seen and name not in _REPEATABLE):
            found += _check_filter(entry, seen)
        elif fault := CHECKS[name](entry.value):
            found.append(_at(entry, *fault))
        seen.add(name)
    structural = mode is STRUCTURAL
    for term in leaves(basic.pattern):
        if structural or term.form is SLASHED:
            found += _check_term(term, mode)
    if structural or not _JOINT.isdisjoint(seen):
        found += _check_together(basic.filters, structural=structural and basic.pattern is not None)
    return found


def _check_filter(entry: Filter, seen: set[str]) -> list[Finding]:
    field = FIELDS[entry.field]
    rule = PREDICATES.get((entry.field, entry.predicate.name)) if entry.predicate else None
    found: list[Finding] = []
    if not field.repeatable and entry.field in seen:
        message = f"{entry.field}: may stand only once."
        found.append(_at(entry, "not_repeatable", message, "Keep one of them."))
    negatable = rule.negatable if rule is not None else field.negatable
    if entry.negated and not negatable:
        what = f"{entry.field}:{rule.name}()" if rule else f"{entry.field}:"
        found.append(_at(entry, "not_negatable", f"{what} cannot be negated.", "Leave out the - or NOT."))
    if rule is not None and entry.predicate is not None:
        fault = argument_fault(rule, entry.predicate.argument)
    else:
        # Only a repository that is searched has revisions; in one left out, @ is an ordinary character.
        excluded = entry.negated and field.value is Value.REPOSITORY
        fault = CHECKS["file" if excluded else entry.field](entry.value)
    if fault is not None:
        # The server looks at the values of these two before anything else, and at other values last.
        first = field.value in (Value.BOOLEAN, Value.COUNT)
        found.insert(0 if first else len(found), _at(entry, *fault))
    return found


def _check_term(term: Leaf, mode: PatternType) -> Iterator[Finding]:
    if mode is STRUCTURAL:
        if term.negated:
            yield _at(term, "structural_negated", "A structural search cannot be negated.", "Leave out NOT.")
    elif isinstance(term, Pattern) and (fault := regexp_fault(term.text, "The search term")):
        yield _at(term, *fault)


def _check_together(filters: tuple[Filter, ...], *, structural: bool) -> Iterator[Finding]:
    by_field: dict[str, list[Filter]] = {}
    for entry in filters:
        by_field.setdefault(entry.field, []).append(entry)
    repositories = by_field.get("repo", [])
    types = by_field.get("type", [])
    if "rev" in by_field:
        yield from _check_revisions(by_field["rev"], repositories)
    if "repohasfile" in by_field and any(entry.value == "symbol" for entry in types):
        yield _at(
            by_field["repohasfile"][0],
            "repohasfile_with_symbols",
            "repohasfile: does not work with type:symbol.",
            "Write repo:has.path(RE) instead.",
        )
    if not COMMIT_FIELDS.isdisjoint(by_field) and not any(t.value in ("commit", "diff") for t in types):
        for entry in filters:
            if entry.field in COMMIT_FIELDS:
                yield _at(
                    entry,
                    "commit_filter_without_type",
                    f"{entry.field}: works only in a search of commits or diffs.",
                    "Add type:commit or type:diff.",
                )
    if structural and types:
        yield _at(
            types[0],
            "structural_with_type",
            "A structural search finds only files.",
            "Leave out type:.",
        )
    if any(entry.value.lower() == "only" for entry in by_field.get("index", [])):
        for entry in repositories:
            if (not entry.negated and "@*" in entry.value) or ":*" in entry.value.partition("@")[2]:
                yield _at(
                    entry,
                    "ref_glob_index_only",
                    "Patterns of branches do not work with index:only.",
                    "Leave out index:only, or name the branches.",
                )


def _check_revisions(revisions: list[Filter], repositories: list[Filter]) -> Iterator[Finding]:
    for revision in revisions:
        for entry in repositories:
            if not entry.negated and entry.predicate is None and "@" in entry.value:
                yield _at(
                    entry,
                    "rev_and_at",
                    "The revision is given twice, by @ and by rev:.",
                    "Keep one of them.",
                )
        if not any(entry.value for entry in repositories):
            yield _at(
                revision,
                "rev_without_repo",
                "rev: needs a repository.",
                "Add repo:NAME, or write repo:NAME@REVISION.",
            )


def _at(leaf: Leaf, kind: str, message: str, fix: str) -> Finding:
    return Finding(kind, leaf.start, leaf.end, message, fix)
