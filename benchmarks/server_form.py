"""A query in the form in which the server's verdicts are recorded: its filters and its tree."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from nls_sdk.sourcegraph.basic import BasicQuery, basic_queries
from nls_sdk.sourcegraph.dates import read_date
from nls_sdk.sourcegraph.scanner import ESCAPES
from nls_sdk.sourcegraph.syntax import Filter, Form, Kind, Node, Operator, Pattern, Query

_ESCAPES = {'"': '\\"'} | {character: "\\" + letter for letter, character in ESCAPES.items()}


def filters(query: Query) -> list[dict[str, Any]]:
    """The filters in the recorded form."""
    return [_filter(entry) for entry in query.filters]


def _filter(entry: Filter) -> dict[str, Any]:
    form: dict[str, Any] = {"field": entry.field, "value": entry.value, "negated": entry.negated}
    if entry.name != entry.field:
        form["raw"] = entry.name
    if entry.form is Form.QUOTED:
        form["quoted"] = True
    if entry.predicate is not None:
        form["predicate"] = entry.predicate.name
        if entry.predicate.argument:
            form["params"] = entry.predicate.argument
    return form


def tree(query: Query, now: datetime) -> str:
    """The tree in the recorded form, with relative revision dates counted from ``now``."""
    if query.tree is None:
        return ""
    branches = [_basic(basic, now) for basic in basic_queries(query)]
    return branches[0] if len(branches) == 1 else f"(or {' '.join(branches)})"


def _basic(basic: BasicQuery, now: datetime) -> str:
    revisions = [_revision(entry, now) for entry in basic.filters if entry.field == "rev"]
    parts = [_leaf(entry, revisions) for entry in basic.filters if entry.field != "rev"]
    pattern = basic.pattern
    if isinstance(pattern, Operator) and pattern.kind is Kind.AND:
        parts += [_node(operand) for operand in pattern.operands]
    elif pattern is not None:
        parts.append(_node(pattern))
    return parts[0] if len(parts) == 1 else f"(and {' '.join(parts)})"


def _leaf(entry: Filter, revisions: list[str]) -> str:
    value = "99999999" if (entry.field, entry.value) == ("count", "all") else entry.value
    if entry.field == "repo" and not entry.negated and not entry.predicate:
        value += "".join("@" + revision for revision in revisions)
    return _quote(f"{'-' * entry.negated}{entry.field}:{value}")


def _revision(entry: Filter, now: datetime) -> str:
    if entry.predicate is None:
        return entry.value
    when, _, revision = entry.predicate.argument.partition(",")
    moment = read_date(when.strip(), now)
    stamp = "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = {"RevSpec": revision.strip() or "HEAD", "Timestamp": stamp}
    return "rat=" + base64.b64encode(json.dumps(spec, separators=(",", ":")).encode()).decode()


def _node(node: Node) -> str:
    match node:
        case Operator():
            return f"({node.kind.value} {' '.join(_node(operand) for operand in node.operands)})"
        case Pattern(negated=True):
            return f"(not {_quote(node.text)})"
        case Pattern():
            return _quote(node.text)
    return _leaf(node, [])


def _quote(text: str) -> str:
    """As Go's strconv.Quote."""
    parts = []
    for character in text:
        if character in _ESCAPES:
            parts.append(_ESCAPES[character])
        elif character == " " or character.isprintable():
            parts.append(character)
        elif (code := ord(character)) < 0x80:
            parts.append(f"\\x{code:02x}")
        else:
            parts.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(parts) + '"'
