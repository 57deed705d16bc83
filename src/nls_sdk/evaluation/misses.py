"""Misses: in what way an answer is not what was expected, and what neither of them could know.

An answer that is `equivalent` to the expected query is no miss. Any other is compared with it filter by
filter and term by term, in the canonical form of both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache

from attrs import frozen

from .. import metrics
from ..sourcegraph.syntax import Filter, Leaf, leaves
from .rows import Row


class Miss(StrEnum):
    """In what way an answer misses; of several, the first of this list is the answer's class."""

    FAILED = "request failed"
    EMPTY = "empty"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    WRONG_OPERATOR = "wrong operator"
    INVALID = "invalid"
    WRONG_REPOSITORY = "wrong repository"
    WRONG_VALUE = "wrong value"
    MISSING_FILTER = "missing filter"
    WRONG_TERMS = "wrong search terms"
    EXTRA_CONSTRAINT = "extra constraint"
    WRONG_STRUCTURE = "wrong structure"


_REFUSAL = re.compile(
    r"\W*(?:i\W?m sorry|sorry\b|i (?:can|could)(?:no|\W*)t\b|i am (?:unable|not able)|as an ai\b)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMED = frozenset(
    ("repo", "file", "content", "rev", "author", "committer", "message", "lang", "context", "before", "after")
)
"""Filters whose values a question has to name; those of the others are chosen from a few."""

_COMMON = frozenset(("com", "org", "www", "github", "gitlab", "the", "ago"))


@frozen
class Difference:
    """What two queries do not share, in canonical form, a filter or a term each.

    Attributes:
        same: What both have.
        missing: What was expected and is not there.
        extra: What is there and was not expected.
    """

    same: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([*(f"  {part}" for part in self.same), *self.changes])

    @property
    def changes(self) -> list[str]:
        """The lines that differ: `- ` before what is missing, `+ ` before what is extra."""
        return [*(f"- {part}" for part in self.missing), *(f"+ {part}" for part in self.extra)]


@frozen
class _Part:
    """A filter or a term of a canonical query."""

    field: str
    value: str
    negated: bool
    text: str


def classify(row: Row) -> tuple[Miss, ...]:
    """In which ways a row misses, the weightiest first; nothing when the answer is equivalent."""
    return _classify(row.expected, row.actual, row.error, row.finish_reason)


def difference(expected: str, actual: str) -> Difference | None:
    """What two queries do not share; None when the server refuses one of them."""
    wanted, found = _parts(expected), _parts(actual)
    if wanted is None or found is None:
        return None
    missing = Counter(part.text for part in wanted) - Counter(part.text for part in found)
    extra = Counter(part.text for part in found) - Counter(part.text for part in wanted)
    same = [part.text for part in wanted if part.text not in missing]
    return Difference(tuple(same), tuple(missing.elements()), tuple(extra.elements()))


def unsupported(question: str, query: str) -> tuple[str, ...]:
    """Filters of a query whose values no word of the question supports, as canonically written.

    In an answer they are made up; in an expected query, the question did not determine them.
    """
    asked = question.casefold()
    words = set(_words(question))
    return tuple(
        part.text
        for part in _parts(query) or ()
        if part.field in _NAMED and not _supported(part, words, asked)
    )


def classes(rows: Iterable[Row]) -> Mapping[Miss, list[Row]]:
    """The rows by their class, the commonest first; rows that miss nothing are left out."""
    found: dict[Miss, list[Row]] = {}
    for row in rows:
        if ways := classify(row):
            found.setdefault(ways[0], []).append(row)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


@lru_cache(maxsize=16384)
def _classify(expected: str, actual: str, error: str | None, finish_reason: str | None) -> tuple[Miss, ...]:
    if error is not None:
        return (Miss.FAILED,)
    if not actual.strip():
        return (Miss.EMPTY,)
    if _REFUSAL.match(actual):
        return (Miss.REFUSED,)
    if metrics.equivalent(expected, actual):
        return ()
    ways = [Miss.TRUNCATED] if finish_reason == "length" else []
    ways += [Miss.WRONG_OPERATOR] if metrics.hallucinations(actual) else []
    wanted, found = _parts(expected), _parts(actual)
    if found is None:
        return (*ways, *([] if Miss.WRONG_OPERATOR in ways else [Miss.INVALID]))
    return (*ways, *_differences(wanted or (), found)) or (Miss.WRONG_STRUCTURE,)


def _differences(wanted: tuple[_Part, ...], found: tuple[_Part, ...]) -> Iterable[Miss]:
    missing = [part for part in wanted if part not in found]
    extra = [part for part in found if part not in wanted]
    ways: set[Miss] = set()
    for part in missing:
        rivals = [other for other in extra if other.field == part.field]
        if part.field == "":
            ways.add(Miss.WRONG_TERMS)
        elif not rivals:
            ways.add(Miss.MISSING_FILTER)
        else:
            ways.add(Miss.WRONG_REPOSITORY if part.field == "repo" else Miss.WRONG_VALUE)
    fields = {part.field for part in missing}
    if any(part.field not in fields for part in extra):
        # One operator in the place of another is not a filter too few and one too many.
        swapped = Miss.MISSING_FILTER in ways and any(part.field for part in extra)
        ways.add(Miss.WRONG_OPERATOR if swapped else Miss.EXTRA_CONSTRAINT)
    return [miss for miss in Miss if miss in ways]


@lru_cache(maxsize=16384)
def _parts(query: str) -> tuple[_Part, ...] | None:
    """The filters and terms of a query's canonical form; None when the server refuses it."""
    from ..sourcegraph import parse
    from ..sourcegraph.comparing import canonical_or_none

    text = canonical_or_none(query)
    return None if text is None else tuple(_part(leaf, text) for leaf in leaves(parse(text).tree))


def _part(leaf: Leaf, text: str) -> _Part:
    written = text[leaf.start : leaf.end]
    if isinstance(leaf, Filter):
        return _Part(leaf.field, leaf.value, leaf.negated, written)
    return _Part("", leaf.text, leaf.negated, written)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _TOKEN.findall(_CAMEL.sub(" ", text))]


def _supported(part: _Part, words: set[str], question: str) -> bool:
    if part.field == "lang":
        from ..sourcegraph.languages import language

        if any((language(word) or "").casefold() == part.value for word in words):
            return True
    said = [word for word in _words(part.value) if word not in _COMMON and (len(word) > 1 or word.isdigit())]
    return not said or any(
        word in question or (len(word) > 4 and word[:-1] in question) or word.rstrip("s") in words
        for word in said
    )
