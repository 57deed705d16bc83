"""The predicates of filters, such as ``repo:has.path(README)``: the table of them and their arguments.

Names are case-sensitive; a name that is not in the table is part of a regular expression.
"""

from __future__ import annotations

import re
from enum import Enum

from attrs import frozen


class Argument(Enum):
    """What a predicate takes."""

    FILE_QUERY = "path:RE and content:RE"
    OLD_FILE_QUERY = "file:RE and content:RE"
    REGEXP = "a regular expression"
    OWNER_REGEXP = "a regular expression, or nothing"
    TEXT = "text"
    OPTIONAL = "anything"
    META = "key, or key:value"
    TAG = "a key"
    REVISION_DATE = "a date, and perhaps a revision"


@frozen
class PredicateRule:
    """A predicate that the server knows.

    Attributes:
        field: The filter it belongs to.
        name: Its canonical name.
        argument: What it takes.
        summary: What it does, for explanations: a phrase that ends before the argument.
        aliases: Its other names.
        negatable: Whether the filter may be negated with it.
        deprecated: Whether another predicate has taken its place.
    """

    field: str
    name: str
    argument: Argument
    summary: str
    aliases: tuple[str, ...] = ()
    negatable: bool = True
    deprecated: bool = False


_TABLE = (
    PredicateRule("repo", "has.file", Argument.FILE_QUERY, "that have a file with", ("contains.file",)),
    PredicateRule("repo", "has.path", Argument.REGEXP, "that have a path matching", ("contains.path",)),
    PredicateRule(
        "repo", "has.content", Argument.REGEXP, "that have content matching", ("contains.content",)
    ),
    PredicateRule(
        "repo",
        "has.commit.after",
        Argument.OPTIONAL,
        "with a commit after",
        ("contains.commit.after",),
    ),
    PredicateRule("repo", "has.description", Argument.REGEXP, "with a description matching", negatable=False),
    PredicateRule("repo", "has.topic", Argument.TEXT, "with the topic"),
    PredicateRule("repo", "has.meta", Argument.META, "with the metadata"),
    PredicateRule("repo", "has", Argument.META, "with the metadata", deprecated=True),
    PredicateRule("repo", "has.tag", Argument.TAG, "with the tag", deprecated=True),
    PredicateRule("repo", "has.key", Argument.TAG, "with the metadata key", deprecated=True),
    PredicateRule("repo", "contains", Argument.OLD_FILE_QUERY, "that have a file with", deprecated=True),
    PredicateRule(
        "file", "has.content", Argument.REGEXP, "with content matching", ("contains.content",), False
    ),
    PredicateRule("file", "has.owner", Argument.OPTIONAL, "owned by"),
    PredicateRule("file", "has.contributor", Argument.OWNER_REGEXP, "with a contributor matching"),
    PredicateRule("rev", "at.time", Argument.REVISION_DATE, "as of"),
)

PREDICATES: dict[tuple[str, str], PredicateRule] = {
    (rule.field, name): rule for rule in _TABLE for name in (rule.name, *rule.aliases)
}
"""Every predicate by its field and each of its names."""

CALL = re.compile(r"[A-Za-z.]+(?=\()")
"""What may be a predicate: letters and dots before a parenthesis."""
