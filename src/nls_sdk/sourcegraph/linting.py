"""`lint`: what a query says that the server silently does not do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .dates import is_known, read_date, reads_oddly
from .fields import FIELDS, Value
from .findings import Finding, QueryError
from .predicates import PREDICATES
from .reading import SPELLINGS, parse
from .scanner import quoted
from .syntax import Filter, Form, Kind, Node, Operator, Pattern, PatternType, Query, leaves, span
from .values import CHECKS

TYPES = ("file", "path", "repo", "symbol", "diff", "commit", "structural")
"""Every value of ``type:`` that finds something."""
VISIBILITIES = ("any", "public", "private")
PATTERN_TYPES = (*SPELLINGS, "nls")  # the last one came after the servers that `parse` follows

_ADVICE = {
    "branch": "Use rev:NAME, or repo:NAME@BRANCH.",
    "tag": "Use rev:NAME, or repo:NAME@TAG.",
    "commit": "Use rev:HASH, or type:commit to search commits.",
    "sha": "Use rev:HASH.",
    **dict.fromkeys(("ext", "extension", "filetype"), r"Use file:\.EXT$, or lang:."),
    **dict.fromkeys(("filename", "folder", "dir", "directory", "files"), "Use file:."),
    **dict.fromkeys(
        ("org", "owner", "user", "repository", "repositories", "repos"),
        "Use repo:NAME/, or file:has.owner(NAME).",
    ),
    **dict.fromkeys(
        ("symbol", "func", "function", "method", "class"), "Use type:symbol NAME, or select:symbol.function."
    ),
    **dict.fromkeys(("import", "imports"), "Search for the text of the import, in quotes."),
    **dict.fromkeys(("regexp", "regex", "pattern"), "Write the regular expression between slashes: /RE/."),
    **dict.fromkeys(("topic",), "Use repo:has.topic(NAME)."),
    **dict.fromkeys(("limit", "max"), "Use count:N."),
    **dict.fromkeys(("created", "pushed", "date"), "Use before: or after:, with type:commit or type:diff."),
    **dict.fromkeys(
        ("is", "in", "sort", "stars", "size", "license", "label", "state", "assignee", "example", "keyword"),
        "Leave it out: the server has no such filter.",
    ),
    **dict.fromkeys(("repogroup",), "Use context: or repo:."),
}
_WORD_FIELD = re.compile(r"-?([A-Za-z]+):(?=[^\s:/])")
_LOOKS_LIKE_PREDICATE = re.compile(r"(?i:has|contains|at)(?:\.[A-Za-z.]*)?\(.*\)\Z", re.DOTALL)
_NEGATED_TERM = re.compile(r"[-!](?=[A-Za-z_\"'(/])")
_NOT_OF_A_GROUP = re.compile(r"(?i:not)\(")
_WITH_QUOTES = (PatternType.KEYWORD, PatternType.REGEXP)
"""The pattern types in which quotes are not ordinary characters."""
_PROSE = re.compile(
    r"\s*(?:(?:here(?:'s| is| are)|sure|the query|try)\b[^:\"]*:\s|(?:query|answer|output):\s)", re.IGNORECASE
)


def lint(query: str | Query, pattern_type: str = "keyword") -> list[Finding]:
    """Finds the silent failures of a query: what the server accepts and does not do.

    Args:
        query: Its text, or what `parse` made of it.
        pattern_type: How terms are read when the text does not say so itself.

    Returns:
        The findings, in the order of the text; none for a query that the server cannot read, which is
        for `validate` to say.
    """
    try:
        read = query if isinstance(query, Query) else parse(query, pattern_type)
    except QueryError:
        return []
    found = [*_text(read.text), *_whole(read)]
    for leaf in leaves(read.tree):
        found += _filter(leaf) if isinstance(leaf, Filter) else _term(leaf, read)
    return sorted(_apart(found), key=lambda finding: finding.start)


def _apart(found: list[Finding]) -> list[Finding]:
    """The findings without those of quotes that are part of a term with a minus."""
    negated = [finding for finding in found if finding.kind == "negated_term"]
    return [
        finding
        for finding in found
        if finding.kind != "unbalanced_quote"
        or not any(each.start <= finding.start and finding.end <= each.end for each in negated)
    ]


def _text(text: str) -> Iterator[Finding]:
    if not text.strip():
        yield Finding("empty_query", 0, len(text), "The query is empty.", "Write a term or a filter.")
    if match := _PROSE.match(text):
        yield Finding("prose", match.start(), match.end(), "Prose is searched for.", "Write only the query.")


def _whole(query: Query) -> Iterator[Finding]:
    for entry in query.empty:
        yield from _empty(entry, query)
    if (why := query.forgiven) is not None:
        message = f"{why.message} So all parentheses are searched for."
        yield Finding("dangling_parenthesis", why.start, why.end, message, why.fix)
    if query.ignored is not None:
        yield _at(
            query.ignored,
            "ignored_patterntype",
            "The server ignores it, as it cannot read the query with the terms taken literally.",
            "Write AND between the groups and the other terms, or use /RE/ for a regular expression.",
        )
    if any(entry.field == "rev" for entry in query.filters):
        for entry in query.filters:
            if entry.field == "repo" and entry.predicate is not None:
                yield _at(
                    entry,
                    "rev_with_predicate",
                    "Servers from 6.2 on refuse rev: beside a predicate of repo:.",
                    "Name the repository.",
                )
    if query.pattern_type is PatternType.REGEXP and query.tree is not None:
        yield from _forgotten(query.tree)


def _empty(entry: Filter, query: Query) -> Iterator[Finding]:
    name = entry.name
    message = f"{name}: has no value and is dropped."
    fix = "Write the value right after the colon."
    if entry in query.filters:  # It stands alone: then the server does not drop it, but looks at it.
        if CHECKS[entry.field](entry.value) is not None:
            return
        message = f"{name}: has no value and filters nothing."
    elif query.text.startswith("(", entry.end):
        message = f"{name}: takes no group, so it is dropped and the group is searched for."
        fix = f"Write ({name}:A OR {name}:B)."
        if FIELDS[entry.field].value in (Value.REGEXP, Value.REPOSITORY):
            fix = f"Write ({name}:A OR {name}:B), or a regular expression: {name}:(A|B)."
    yield _at(entry, "empty_value", message, fix)


def _forgotten(tree: Node) -> Iterator[Finding]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Operator):
            first = node.operands[0]
            if node.kind is Kind.CONCAT and isinstance(first, Operator):
                message = "A regexp search forgets a group that stands before other terms."
                yield Finding("group_forgotten", *span(first), message, "Write AND after the group.")
            stack.extend(node.operands)


def _filter(entry: Filter) -> Iterator[Finding]:
    kind = FIELDS[entry.field].value
    known = {Value.TYPE: TYPES, Value.VISIBILITY: VISIBILITIES, Value.PATTERN_TYPE: PATTERN_TYPES}.get(kind)
    value = entry.value if kind is Value.TYPE else entry.value.lower()
    if known is not None and value not in known:
        yield _at(
            entry,
            f"unknown_{entry.field}",
            f"{entry.field}:{entry.value} has no effect, or finds nothing.",
            f"Write one of {', '.join(known)}.",
        )
    if kind is Value.LANGUAGE and entry.value.partition(",")[2]:
        each = [name.strip() for name in entry.value.split(",") if name.strip()]
        joined = " OR ".join(f"{entry.name}:{name}" for name in each)
        yield _at(entry, "ignored_language", "What follows the comma is ignored.", f"Write ({joined}).")
    if kind is Value.DATE and reads_oddly(entry.value) and (moment := read_date(entry.value)):
        read = f"as {moment:%Y-%m-%d %H:%M}" if is_known(moment) else "as a moment long ago or far ahead"
        yield _at(
            entry,
            "odd_date",
            f"{entry.value} is read {read}: a bare number is an hour, and an unknown word nothing.",
            'Write 2024-01-31, or in quotes "2 weeks ago" or "january 31 2024".',
        )
    if (
        entry.field in ("repo", "file", "rev")
        and entry.predicate is None
        and entry.form is Form.BARE
        and _LOOKS_LIKE_PREDICATE.match(entry.value)
    ):
        names = sorted(name for field, name in PREDICATES if field == entry.field)
        yield _at(
            entry,
            "unknown_predicate",
            f"{entry.value} is no predicate of {entry.field}:, so it is matched as a regular expression.",
            f"There are {', '.join(names)}.",
        )


def _term(term: Pattern, query: Query) -> Iterator[Finding]:
    if term.form is not Form.BARE:
        return
    text, mode = term.text, query.pattern_type
    if text.lower() in ("and", "or", "not"):
        yield _at(
            term,
            "operator_as_text",
            f"{text} joins or negates nothing here, so it is searched for.",
            "Write what it belongs to, or leave it out.",
        )
    if mode is PatternType.STRUCTURAL:
        return
    if _NOT_OF_A_GROUP.match(text):
        yield _at(
            term,
            "operator_as_text",
            f"{text[:3]} is part of a word here, so it is searched for.",
            "Write NOT, a space and one term or filter, without parentheses.",
        )
    if text.startswith("`") or (text.endswith("`") and text.count("`") == 1):
        yield _at(term, "markdown", "A backtick is searched for.", "Leave the backticks out.")
    negated = _NEGATED_TERM.match(text) is not None
    if mode in _WITH_QUOTES and not negated and (text.count('"') % 2 or text.startswith(("'", '"'))):
        yield _at(
            term,
            "unbalanced_quote",
            "A quote is searched for, as a character.",
            "Close it, with a space after it, or leave it out.",
        )
    if negated:
        message = f"{text[0]} does not exclude a term; it is searched for."
        end, fix = _exclusion(term, query)
        yield Finding("negated_term", term.start, end, message, fix)
    if (match := _WORD_FIELD.match(text)) and (advice := _ADVICE.get(match[1].lower())):
        yield _at(term, "unknown_field", f"{match[1]}: is no filter, so it is searched for.", advice)


def _exclusion(term: Pattern, query: Query) -> tuple[int, str]:
    """Where what stands after ``-`` or ``!`` ends, and how to leave it out."""
    rest = term.text[1:]
    if rest.lower() in ("and", "or", "not"):
        return term.end, f'Leave it out, or write "{term.text}" to search for it.'
    if rest.startswith("("):
        return term.end, "Write NOT a NOT b to leave out both, (NOT a OR NOT b) to leave out what has both."
    start, end = term.end - len(rest), term.end
    if query.pattern_type in _WITH_QUOTES and rest[0] in "\"'/" and (inside := quoted(query.text, start)):
        end = max(end, inside[1])
    fix = f"NOT {query.text[start:end]}"
    # What to write has to be fine itself.
    fine = not lint(fix, query.pattern_type.value)
    return end, f"Write {fix}." if fine else "Write NOT, a space and one term."


def _at(leaf: Filter | Pattern, kind: str, message: str, fix: str) -> Finding:
    return Finding(kind, leaf.start, leaf.end, message, fix)
