"""The one table of filters, which parser, validation, lint, explanation, canonical form and grammar share.

A field is known by its canonical name and its aliases, in any case. Every other ``word:`` in a query is
plain text to the server.
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen


class Value(Enum):
    """The rule that a filter's value must keep."""

    ANY = "any text"
    REGEXP = "a regular expression"
    REPOSITORY = "a regular expression, and perhaps @ and revisions"
    LANGUAGE = "a language"
    BOOLEAN = "yes or no"
    YES_NO_ONLY = "yes, no or only"
    DATE = "a date"
    COUNT = "a positive number or all"
    DURATION = "a duration such as 10s"
    SELECT = "a kind of result"
    TYPE = "a type of result"
    VISIBILITY = "any, private or public"
    PATTERN_TYPE = "a pattern type"
    NOTHING = "nothing; the server refuses the filter"


@frozen
class Field:
    """A filter that the server knows.

    Attributes:
        name: The canonical name.
        summary: What it does, for explanations: a phrase that ends before the value.
        value: The rule its value must keep.
        aliases: Its other names.
        negatable: Whether ``-`` or ``NOT`` may stand before it.
        repeatable: Whether it may stand more than once.
        commits: Whether it needs ``type:commit`` or ``type:diff``.
        default: The value that changes nothing, when there is one.
    """

    name: str
    summary: str
    value: Value
    aliases: tuple[str, ...] = ()
    negatable: bool = field(default=False, kw_only=True)
    repeatable: bool = field(default=False, kw_only=True)
    commits: bool = field(default=False, kw_only=True)
    default: str | None = field(default=None, kw_only=True)


_TABLE = (
    Field("repo", "in repositories matching", Value.REPOSITORY, ("r",), negatable=True, repeatable=True),
    Field("file", "in files matching", Value.REGEXP, ("f", "path"), negatable=True, repeatable=True),
    Field("lang", "in", Value.LANGUAGE, ("l", "language"), negatable=True, repeatable=True),
    Field("content", "for", Value.ANY, negatable=True, repeatable=True),
    Field("type", "finding", Value.TYPE, repeatable=True),
    Field("case", "case-sensitive:", Value.BOOLEAN, default="no"),
    Field("fork", "forks:", Value.YES_NO_ONLY, default="no"),
    Field("archived", "archived repositories:", Value.YES_NO_ONLY, default="no"),
    Field("index", "indexed repositories:", Value.YES_NO_ONLY, default="yes"),
    Field("visibility", "repository visibility:", Value.VISIBILITY, default="any"),
    Field("context", "in the search context", Value.ANY),
    Field("rev", "at the revision", Value.ANY, ("revision",)),
    Field("author", "by an author matching", Value.REGEXP, negatable=True, repeatable=True, commits=True),
    Field("committer", "by a committer matching", Value.REGEXP, negatable=True, repeatable=True),
    Field("before", "before", Value.DATE, ("until",), repeatable=True, commits=True),
    Field("after", "after", Value.DATE, ("since",), repeatable=True, commits=True),
    Field(
        "message",
        "with a message matching",
        Value.REGEXP,
        ("m", "msg"),
        negatable=True,
        repeatable=True,
        commits=True,
    ),
    Field("count", "at most this many results:", Value.COUNT),
    Field("timeout", "giving up after", Value.DURATION),
    Field("patterntype", "with terms read as", Value.PATTERN_TYPE),
    Field("select", "showing only the", Value.SELECT),
    Field(
        "repohasfile",
        "in repositories with a file matching",
        Value.REGEXP,
        negatable=True,
        repeatable=True,
    ),
    Field("repohascommitafter", "in repositories with a commit after", Value.ANY),
    Field("rule", "with the structural rule", Value.ANY),
    Field("g", "in the repository group", Value.NOTHING, negatable=True, repeatable=True),
)

FIELDS: dict[str, Field] = {entry.name: entry for entry in _TABLE}
"""Every field by its canonical name."""

NAMES: dict[str, str] = {alias: entry.name for entry in _TABLE for alias in (entry.name, *entry.aliases)}
"""Every name and alias, in lower case, with the canonical name it stands for."""

COMMIT_FIELDS = frozenset(entry.name for entry in _TABLE if entry.commits)
"""The fields that need ``type:commit`` or ``type:diff``."""
