"""Puts names, wordings and intents together into questions and their queries."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from attrs import frozen

from .file_filters import FILE_FILTERS
from .intents import INTENTS, Intent
from .limits import LIMITS
from .names import POOLS, Value
from .repo_filters import REPO_FILTERS
from .sentences import SENTENCES, Sentence
from .subjects import OPENERS, OPENERS_HELD, SUBJECTS
from .wordings import LEAD, POST, PRE, TAIL, Concept, Wording

CONCEPTS: dict[str, Concept] = {c.name: c for c in SUBJECTS + REPO_FILTERS + FILE_FILTERS + LIMITS}
"""Every concept by its name."""

NAMES, PHRASINGS = "names", "phrasings"
"""What a validation row holds out."""


@frozen
class Example:
    """One question and the query that answers it.

    Attributes:
        question: plain English.
        query: the Sourcegraph query.
        intent: the intent's name.
        held_out: ``"names"``, ``"phrasings"`` or None for training.
    """

    question: str
    query: str
    intent: str
    held_out: str | None


@frozen
class _Said:
    """A concept with its values and the wording chosen for it."""

    concept: Concept
    wording: Wording
    values: tuple[Value, ...]

    @property
    def words(self) -> str:
        return _fill(self.wording.text, tuple(v.text for v in self.values))

    @property
    def query(self) -> str:
        return _fill(self.concept.query, tuple(v.query for v in self.values))


def _fill(template: str, values: tuple[str, ...]) -> str:
    names = dict(zip("xy", values, strict=False))
    return re.sub(r"{([xy])}", lambda m: names[m.group(1)], template)


def examples(rng: random.Random, held_out: str | None) -> Iterator[Example]:
    """Yields examples for ever, intent after intent, so that each comes equally often."""
    while True:
        for intent in INTENTS:
            yield one(intent, rng, held_out)


def one(intent: Intent, rng: random.Random, held_out: str | None) -> Example:
    """Makes one example of ``intent``; all its names or all its wordings are held out if asked."""
    new_words = held_out == PHRASINGS
    whole = tuple(s for s in SENTENCES if s.intent == intent.name and s.held == new_words)
    if whole and rng.random() < 0.2:
        question, query = _sentence(rng.choice(whole), rng, held_out == NAMES)
    else:
        question, query = _composed(intent, rng, held_out)
    return Example(_style(question, rng), query, intent.name, held_out)


def _sentence(sentence: Sentence, rng: random.Random, new_names: bool) -> tuple[str, str]:
    values = {slot: POOLS[slot.rstrip("2")].pick(rng, new_names) for slot in sentence.slots}
    while len(set(values.values())) < len(values):
        values = {slot: POOLS[slot.rstrip("2")].pick(rng, new_names) for slot in sentence.slots}
    question = re.sub(r"{(\w+)}", lambda m: values[m.group(1)].text, sentence.text)
    return question, re.sub(r"{(\w+)}", lambda m: values[m.group(1)].query, sentence.query)


def _composed(intent: Intent, rng: random.Random, held_out: str | None) -> tuple[str, str]:
    chosen = _choose(intent, rng)
    said = [_say(concept, rng, held_out) for concept in chosen]
    if held_out == NAMES and not any(s.values for s in said):
        return _composed(intent, rng, held_out)
    said = _one_per_place(said, rng)
    query = " ".join(s.query for s in sorted(said, key=lambda s: s.concept.rank))
    return _arrange(said, rng, held_out == PHRASINGS), _ordered(query)


def _choose(intent: Intent, rng: random.Random) -> list[Concept]:
    """The subject, the required filters and up to two more that go with them."""
    names = [rng.choice(intent.subjects), *(rng.choice(group) for group in intent.required)]
    clashes = {clash for name in names for clash in CONCEPTS[name].clashes} | set(names)
    for _ in range(rng.choices((0, 1, 2, 3), (35, 40, 19, 6))[0]):
        free = [n for n in intent.optional if n not in clashes and not CONCEPTS[n].clashes & set(names)]
        free = [n for n in free if n != "rev" or "repo" in names]
        if not free:
            break
        name = rng.choice(free)
        names.append(name)
        clashes |= {name} | CONCEPTS[name].clashes
    return [CONCEPTS[name] for name in names]


def _say(concept: Concept, rng: random.Random, held_out: str | None) -> _Said:
    wording = rng.choice(concept.said(held_out == PHRASINGS))
    return _Said(concept, wording, _values(concept, rng, held_out == NAMES))


def _values(concept: Concept, rng: random.Random, new: bool) -> tuple[Value, ...]:
    if not concept.pools:
        return ()
    pool = POOLS[rng.choice(concept.pools)]
    first = pool.pick(rng, new)
    if "{y}" not in concept.query:
        return (first,)
    second = pool.pick(rng, new)
    while second == first:
        second = pool.pick(rng, new)
    return (first, second)


def _one_per_place(said: list[_Said], rng: random.Random) -> list[_Said]:
    """At most one lead and one ``pre``: others move to a place where several can stand."""
    taken: set[str] = set()
    kept = []
    for item in said:
        place = item.wording.place
        if place in taken:
            others = [
                w
                for w in item.concept.said(item.wording.held)
                if w.place not in taken or w.place in (POST, TAIL)
            ]
            item = _Said(item.concept, rng.choice(others or [item.wording]), item.values)
        if item.wording.place in (LEAD, PRE):
            taken.add(item.wording.place)
        kept.append(item)
    return kept


def _arrange(said: list[_Said], rng: random.Random, new_words: bool) -> str:
    subject, filters = said[0], said[1:]
    rng.shuffle(filters)
    by_place = {
        place: [s.words for s in filters if s.wording.place == place] for place in (LEAD, PRE, POST, TAIL)
    }
    opener = rng.choice(OPENERS_HELD if new_words else OPENERS)
    noun = subject.words
    if by_place[PRE]:
        noun = _adjective(by_place[PRE][0], noun)
    if noun.startswith("which ") or (noun.startswith("where ") and rng.random() < 0.5):
        opener = ""
    words = [*by_place[LEAD], opener, noun, *by_place[POST]]
    return ", ".join([" ".join(w for w in words if w), *by_place[TAIL]])


def _adjective(adjective: str, noun: str) -> str:
    for article in ("the ", "all ", "every ", "any ", "which "):
        if noun.startswith(article):
            return f"{article}{adjective} {noun.removeprefix(article)}"
    if noun.startswith(("a ", "an ", "where ", "either ")):
        return f"{noun} in {adjective}"
    return f"{adjective} {noun}"


_LATER = re.compile(r" (select:\S+)( .*)?$")


def _ordered(query: str) -> str:
    """Moves the ``select:`` a subject brought to its canonical place, behind the terms."""
    match = _LATER.search(query)
    if not match or not match.group(2):
        return query
    rest = match.group(2).strip()
    cut = re.search(r"\b(case|patterntype|count|timeout):\S+( |$)", rest)
    at = cut.start() if cut else len(rest)
    before, after = rest[:at].strip(), rest[at:].strip()
    return " ".join(p for p in (query[: match.start()], before, match.group(1), after) if p)


def _style(question: str, rng: random.Random) -> str:
    """Sentence case and full stops for some, as people differ."""
    if question[:1].islower() and rng.random() < 0.35 and _plain_start(question):
        question = question[0].upper() + question[1:]
    if not question.endswith("?") and rng.random() < 0.15 and question[-1].isalnum():
        question += "."
    return question


def _plain_start(question: str) -> bool:
    first = question.split(" ", 1)[0]
    return first.rstrip(",").isalpha() and first.lower() == first
