"""Floors: translators that know nothing, need no network, and that every model should beat."""

from __future__ import annotations

import re
from collections.abc import Callable

from .providers import API_VERSION

_STOP_WORDS = """
a about all an and any are as at by can code containing contains do every everything file files find for from
get give has have how i in is it list look looking me mention mentions named of on only or please repo repos
repositories repository search see show something that the their them there these this those to use uses using
want was were what where which with written you
"""
_STOP = frozenset(re.findall(r"\w+", _STOP_WORDS))
_QUOTED = re.compile(r"[\"“`']([^\"”`']+)[\"”`']")
_WORD = re.compile(r"[\w.+#/-]+")
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(?:commits?|commit messages?)\b", re.I), lambda found: "type:commit"),
    (re.compile(r"\b(?:diffs?|changes)\b", re.I), lambda found: "type:diff"),
    (re.compile(r"\b(?:symbols?|functions?|classes|methods?|defined)\b", re.I), lambda found: "type:symbol"),
    (
        re.compile(r"\b(?:by|author(?:ed by)?) (@?[\w.-]+)", re.I),
        lambda found: f"author:{found[1].lstrip('@')}",
    ),
    (
        re.compile(r"\b(?:since|after) (\d{4}-\d\d-\d\d|yesterday|last \w+)", re.I),
        lambda f: f'after:"{f[1]}"',
    ),
    (
        re.compile(r"\b(?:before|until) (\d{4}-\d\d-\d\d|yesterday|last \w+)", re.I),
        lambda f: f'before:"{f[1]}"',
    ),
    (re.compile(r"\b(?:without|not in|excluding|ignoring) tests?\b", re.I), lambda found: "-file:test"),
    (re.compile(r"\bcase[- ]sensitive(?:ly)?\b", re.I), lambda found: "case:yes"),
    (re.compile(r"\bforks\b", re.I), lambda found: "fork:yes"),
    (re.compile(r"\barchived\b", re.I), lambda found: "archived:yes"),
    (re.compile(r"\b(?:(?:in|of|from) )?([\w.-]+/[\w.-]+)\b"), lambda found: f"repo:{re.escape(found[1])}"),
)


class Echo:
    """Answers with the question itself.

    Attributes:
        name: What reports call it.
    """

    api_version = API_VERSION
    name = "echo"

    def translate(self, question: str) -> str:
        """The question, as one line."""
        return " ".join(question.split())


class Rules:
    """A dozen regular expressions that anybody would write first.

    Attributes:
        name: What reports call it.
    """

    api_version = API_VERSION
    name = "rules"

    def translate(self, question: str) -> str:
        """Filters for what the rules recognise, and the other words as search terms."""
        from .sourcegraph.languages import language

        rest, filters = " ".join(question.split()), []
        terms = [f'"{term}"' for term in _QUOTED.findall(rest)]
        rest = _QUOTED.sub(" ", rest)
        for pattern, write in _RULES:
            if found := pattern.search(rest):
                filters.append(write(found))
                rest = rest[: found.start()] + " " + rest[found.end() :]
        for word in _WORD.findall(rest):
            name = language(word) if word.lower() not in _STOP and len(word) > 1 else None
            if name is not None and " " not in name and not any(each.startswith("lang:") for each in filters):
                filters.append(f"lang:{name.lower()}")
            elif word.lower().strip(".") not in _STOP:
                terms.append(word.strip(".,?!"))
        return " ".join([*filters, *(term for term in terms if term)]) or question.strip()
