"""`explain`: what a query does, in plain English."""

from __future__ import annotations

from .basic import BasicQuery, basic_queries
from .dates import is_known, read_date
from .fields import FIELDS, Value
from .findings import QueryError
from .languages import language
from .linting import lint
from .predicates import PREDICATES
from .reading import parse
from .syntax import Filter, Form, Kind, Node, Operator, Pattern, PatternType, Query
from .validation import validate
from .values import switch

_RESULTS = {
    "file": "files",
    "path": "file paths",
    "repo": "repositories",
    "symbol": "symbols",
    "diff": "diffs of commits",
    "commit": "commits",
}
_VISIBLE = ("public", "private")
_SELECTED = {
    "repo": "their repositories",
    "file": "their files",
    "content": "their contents",
    "symbol": "their symbols",
    "commit": "their commits",
}
_SWITCHES = {
    "fork": {"yes": "forks too", "no": "no forks", "only": "only forks"},
    "archived": {
        "yes": "archived repositories too",
        "no": "no archived repositories",
        "only": "only archived repositories",
    },
    "index": {
        "yes": "indexed repositories only where possible",
        "no": "without the index",
        "only": "only indexed repositories",
    },
    "case": {"yes": "minding upper and lower case", "no": "in any case"},
}


def explain(query: str | Query, pattern_type: str = "keyword") -> str:
    """Says in plain English what a query does, and what is wrong with it.

    Args:
        query: Its text, or what `parse` made of it.
        pattern_type: How terms are read when the text does not say so itself.

    Returns:
        A sentence, one for each alternative, and one for each finding.
    """
    try:
        read = query if isinstance(query, Query) else parse(query, pattern_type)
        branches = basic_queries(read)
    except QueryError as error:
        return f"The server refuses this query: {error.finding}"
    faults = validate(read)
    lines = [f"The server refuses this query: {fault}" for fault in faults]
    if not faults:
        sentences = [_sentence(branch, read.pattern_type) for branch in branches]
        lines = [f"{sentences[0]}.", *(f"Or else: {s[0].lower()}{s[1:]}." for s in sentences[1:])]
    lines += [f"Careful: {finding}" for finding in lint(read)]
    return "\n".join(lines)


def _sentence(basic: BasicQuery, mode: PatternType) -> str:
    types = [_RESULTS.get(entry.value, entry.value) for entry in basic.filters if entry.field == "type"]
    what = (
        _list(types, "and") if types else "files, paths and repositories" if basic.pattern else "everything"
    )
    if not types and basic.pattern is None:
        what = (
            "all files"
            if any(entry.field in ("file", "lang") for entry in basic.filters)
            else "all repositories"
        )
    parts = [f"Finds {what}"]
    if basic.pattern is not None:
        parts.append(f"with {_terms(basic.pattern, mode)}")
    phrases = [phrase for entry in basic.filters if (phrase := _phrase(entry))]
    if what == "all repositories":
        phrases = [phrase.replace("in repositories ", "", 1) for phrase in phrases]
        if phrases and phrases[0].startswith(("matching", "that", "with a", "with the")):
            parts[0] += f" {phrases.pop(0)}"
    return ", ".join([" ".join(parts), *phrases])


def _terms(node: Node, mode: PatternType) -> str:
    if isinstance(node, Operator):
        joint = "or" if node.kind is Kind.OR else "and"
        texts = [_terms(operand, mode) for operand in node.operands]
        texts = [
            f"({t})" if isinstance(o, Operator) else t for t, o in zip(texts, node.operands, strict=True)
        ]
        return f" {joint} ".join(texts)
    assert isinstance(node, Pattern)
    what = f'"{node.text}"'
    if mode is PatternType.STRUCTURAL:
        what = f"the structure {what}"
    elif node.form is Form.SLASHED:
        what = f"a match of /{node.text}/"
    return f"no {what.removeprefix('a ')}" if node.negated else what


def _phrase(entry: Filter) -> str:
    field = FIELDS[entry.field]
    no = "not " if entry.negated else ""
    if entry.predicate is not None:
        rule = PREDICATES[entry.field, entry.predicate.name]
        where = {"repo": "in repositories ", "file": "in files "}.get(entry.field, "")
        return f"{no}{where}{rule.summary} {entry.predicate.argument or 'anybody'}".strip()
    if entry.field in ("type", "patterntype"):
        return ""
    if entry.field in _SWITCHES:
        return _SWITCHES[entry.field][switch(entry.value)]
    if entry.field == "repo":
        # In a repository left out, @ is an ordinary character.
        name, _at, revisions = (entry.value, "", "") if entry.negated else entry.value.partition("@")
        text = f"{no}in repositories matching {name}" if name else "in all repositories"
        return f"{text} at {_list(revisions.split(':'), 'and')}" if revisions else text
    if entry.field == "visibility":
        return f"in {entry.value.lower()} repositories" if entry.value.lower() in _VISIBLE else ""
    if entry.field == "select":
        whole, _, part = entry.value.partition(".")
        return f"showing only {_SELECTED[whole]}{f' ({part})' if part else ''}"
    if entry.field == "count":
        return "all results" if entry.value == "all" else f"at most {entry.value} results"
    if field.value is Value.LANGUAGE:
        return f"{no}in {language(entry.value) or entry.value}"
    if field.value is Value.DATE and (moment := read_date(entry.value)) and is_known(moment):
        day = str(moment.date())
        said = entry.value if entry.value.startswith(day) else f"{entry.value} ({day})"
        return f"{field.summary} {said}"
    return f"{no}{field.summary} {entry.value}"


def _list(words: list[str], joint: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"
