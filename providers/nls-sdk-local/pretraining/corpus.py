"""The corpus: chats about made-up requests for code, and copying. Never a search query.

Every document is one chat. A made-up `Situation` is told in varied English, and the assistant restates
it plainly, answers questions about it, or copies from it. `FORBIDDEN` keeps the syntax of search queries
out: what matches it is dropped.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import values
from attrs import define
from grammar import CLAUSES, OPENERS, SUBJECTS, fill, phrase

FORBIDDEN = re.compile(
    r"\b(repo|file|lang|language|l|content|type|case|rev|fork|archived|visibility|context|author|"
    r"committer|before|after|message|count|timeout|patterntype|select):",
    re.IGNORECASE,
)
"""An operator of the query language with its colon."""

Chat = list[tuple[str, str]]
"""Turns of (role, text)."""

Maker = Callable[[random.Random], str]


def _none(_: random.Random) -> str:
    return ""


MAKERS: dict[str, Maker] = {
    "repository": values.repository, "either repository": values.repository,
    "other repository": values.repository, "branch": values.branch, "workspace": values.owner,
    "language": values.language, "either language": values.language, "other language": values.language,
    "folder": values.folder, "other folder": values.folder, "ending": values.ending,
    "file name": values.file_name, "owner": values.owner, "also containing": values.term,
    "topic": values.topic, "with a file": values.file_name, "active since": values.date,
    "author": values.person, "other author": values.person, "committer": values.person,
    "since": values.date, "window": values.span, "until": values.date,
    "without": values.term, "limit": values.count, "time limit": values.seconds,
}  # fmt: skip

_HISTORY = ("commits", "changes", "changes touching", "changes adding", "changes removing")
_KINDS = (
    "functions", "classes", "methods", "interfaces", "structs", "constants", "variables", "fields", "enums",
    "properties", "modules", "packages",
)  # fmt: skip
_PEOPLE = ("author", "other author", "committer", "since", "window", "until", "note")
_CLASHES = (
    ("repository", "either repository", "topic", "with a file", "active since"),
    ("repository", "other repository"),
    ("language", "either language", "other language", "ending", "file name"),
    ("folder", "ending", "file name"),
    ("folder", "other folder"),
    ("author", "other author"),
    ("committer", "author"),
    ("since", "window"),
    ("until", "window"),
    ("forks", "only forks"),
    ("archived", "only archived"),
    ("public", "private"),
    ("workspace", "global workspace"),
    ("limit", "no limit"),
)
ORDER = (
    "workspace", "global workspace", "repository", "either repository", "topic", "with a file",
    "active since", "other repository", "branch", "forks", "only forks", "archived", "only archived",
    "public", "private", "language", "either language", "other language", "folder", "ending",
    "file name", "other folder", "no tests", "owner", "also containing", "SUBJECT", "author",
    "other author", "committer", "since", "window", "until", "note", "TERM", "without", "exact case",
    "limit", "no limit", "time limit",
)  # fmt: skip
"""The fixed order in which a request is restated."""


@define
class Situation:
    """One made-up request.

    Attributes:
        kind: what it is about, a key of `grammar.SUBJECTS`.
        terms: what is searched for: one, two or no values.
        details: detail to its values, keys of `grammar.CLAUSES`.
    """

    kind: str
    terms: tuple[str, ...]
    details: dict[str, tuple[str, ...]]


def situation(rng: random.Random) -> Situation:
    """Makes a request up."""
    kind = rng.choice((*SUBJECTS, "code", "code", "code", "code", "commits", "commits", "changes touching"))
    maker = values.term
    if kind == "code fitting a pattern":
        maker = values.pattern
    elif kind == "pattern read as a regex":
        maker = values.bare_pattern
    elif kind in ("symbols", *_KINDS):
        maker = values.identifier
    elif kind == "repositories":
        maker = values.slug
    wanted = 0 if kind in ("commits", "changes") else 2 if kind.startswith("code with") else 1
    terms = tuple(maker(rng) for _ in range(wanted))
    history = kind in _HISTORY
    pool = [name for name in CLAUSES if history or name not in _PEOPLE]
    if history:
        pool += list(_PEOPLE) * 3
    details: dict[str, tuple[str, ...]] = {}
    for _ in range(rng.choices((0, 1, 2, 3, 4), (8, 36, 32, 18, 6))[0]):
        name = rng.choice(pool)
        if name in details or any(name in c and set(c) & set(details) for c in _CLASHES):
            continue
        if kind.startswith("repositories") and name.endswith("repository"):
            continue
        details[name] = _make(name, rng)
    return Situation(kind, terms, details)


def _make(name: str, rng: random.Random) -> tuple[str, ...]:
    if name == "note":
        return (rng.choice((values.phrase, values.word, values.phrase))(rng),)
    if name not in MAKERS:
        return ()
    return tuple(MAKERS[name](rng) for _ in range(2 if name.startswith("either") else 1))


def tell(what: Situation, rng: random.Random) -> str:
    """Says the request in English, differently every time."""
    places: dict[str, list[str]] = {"lead": [], "pre": [], "post": [], "tail": []}
    details = list(what.details.items())
    rng.shuffle(details)
    for name, found in details:
        lines = CLAUSES[name]
        line = rng.choice(lines)
        place, mark, rest = line.partition("> ")
        place, rest = (place, rest) if mark else ("post", line)
        if place in ("lead", "pre") and places[place]:
            plain = [x for x in lines if not x.startswith(("lead>", "pre>"))]
            place, mark, rest = rng.choice(plain).partition("> ")
            place, rest = (place, rest) if mark else ("post", place)
        places[place].append(fill(phrase(rest, rng), found))
    noun = fill(phrase(rng.choice(SUBJECTS[what.kind]), rng), what.terms)
    if places["pre"]:
        noun = _before(places["pre"][0], noun)
    opener = "" if rng.random() < 0.06 or noun.startswith("which ") else phrase(rng.choice(OPENERS), rng)
    body = " ".join(p for p in (opener, noun, *places["post"]) if p)
    lead = places["lead"][0] + ("," if rng.random() < 0.8 else "") + " " if places["lead"] else ""
    text = lead + body + "".join(f", {t}" for t in places["tail"])
    if rng.random() < 0.4 and text.split(" ")[0].isalpha():
        text = text[0].upper() + text[1:]
    if opener.startswith(("what", "which", "where", "do ", "is ", "are ")) or rng.random() < 0.05:
        return text + "?"
    return text + "." if rng.random() < 0.2 and text[-1].isalnum() else text


def _before(adjective: str, noun: str) -> str:
    for article in ("the ", "any ", "all ", "some ", "every "):
        if noun.startswith(article):
            return f"{article}{adjective} {noun.removeprefix(article)}"
    return f"{adjective} {noun}"


def _plain(name: str, found: tuple[str, ...]) -> str:
    if name.startswith("either"):
        return f"{name.removeprefix('either ')} {found[0]} or {found[1]}"
    return " ".join((name, *found))


def restate(what: Situation, style: int) -> str:
    """The request in plain words and a fixed order; `style` chooses among fixed forms."""
    parts = []
    for name in ORDER:
        if name == "SUBJECT":
            parts.append(what.kind)
        elif name == "TERM" and what.terms:
            word = " and " if what.kind == "code with both" else " or "
            parts.append("about " + word.join(what.terms))
        elif name in what.details:
            parts.append(_plain(name, what.details[name]))
    match style:
        case 0:
            return ", ".join(parts)
        case 1:
            return ", ".join(reversed(parts))
        case 2:
            return " ".join(parts)
        case 3:
            return " / ".join(
                p.lower() if p.split(" ")[0] == "language" or "other language" in p else p for p in parts
            )
        case _:
            return "".join(f"({part})" for part in parts)


STYLES = (
    "Restate the request in plain words.",
    "Restate the request backwards, the last detail first.",
    "Restate the request as one phrase.",
    "Restate the request with slashes, languages in small letters.",
    "Restate the request in parentheses.",
)

_ASK = {
    "repository": ("which repository?", "where should one look?", "in what repo?"),
    "branch": ("which branch?", "what revision?"),
    "language": ("which language?", "what language is it in?", "what is it written in?"),
    "folder": ("which folder?", "in what directory?"),
    "other folder": ("which folder is left out?", "what directory is excluded?"),
    "other repository": ("which repository is left out?", "what repo is excluded?"),
    "other language": ("which language is left out?", "what language is excluded?"),
    "ending": ("which file extension?", "how do the file names end?"),
    "file name": ("which file?", "what is the file called?"),
    "owner": ("who owns the files?", "which owner?"),
    "author": ("who wrote it?", "who is the author?", "whose work is it?"),
    "other author": ("whose work is left out?", "which author is excluded?"),
    "committer": ("who committed it?", "who is the committer?"),
    "since": ("since when?", "after what time?", "from when on?"),
    "until": ("until when?", "before what time?", "up to when?"),
    "window": ("over how long a time?", "how far back?"),
    "note": ("what does the message say?", "what is in the message?"),
    "without": ("what must be absent?", "which word is excluded?"),
    "limit": ("how many results?", "what is the limit?"),
    "time limit": ("how long may it take?", "what is the time limit?"),
    "topic": ("which topic?", "what topic do the repos have?"),
    "with a file": ("what file must the repos have?",),
    "active since": ("since when are the repos active?",),
    "also containing": ("what else do the files contain?",),
    "workspace": ("which context?", "what is the search context?"),
}


def _questions(what: Situation, rng: random.Random) -> list[tuple[str, str]]:
    """Questions about one detail each, with their short answers."""
    asked = [(rng.choice(_ASK[n]), found[0]) for n, found in what.details.items() if n in _ASK]
    absent = rng.choice([n for n in _ASK if n not in what.details])
    asked.append((rng.choice(_ASK[absent]), "not said"))
    asked.append((rng.choice(("what is it about?", "what kind of thing is wanted?")), what.kind))
    if what.terms:
        asked.append((rng.choice(("what is searched for?", "which term?")), " ".join(what.terms)))
    flag = rng.choice(("forks", "archived", "public", "private", "exact case", "no limit", "no tests"))
    asked.append((f"is there anything on {flag}?", "yes" if flag in what.details else "no"))
    details = ", ".join(n for n in ORDER if n in what.details) or "nothing"
    asked.append((rng.choice(("what details are there?", "which details are given?")), details))
    rng.shuffle(asked)
    return asked[: rng.randint(2, 4)]


def _copying(rng: random.Random) -> tuple[str, str, str]:
    """A system prompt, a text and what an exact string task makes of it."""
    makers = (
        values.repository, values.person, values.identifier, values.phrase, values.snippet, values.folder,
        values.file_name, values.pattern, values.branch, values.owner, values.date, values.language,
    )  # fmt: skip
    found = [rng.choice(makers)(rng) for _ in range(rng.randint(1, 4))]
    text = " and ".join(found)
    tasks: tuple[tuple[str, str], ...] = (
        ("Repeat the text exactly.", text),
        ("Give the first item.", found[0]),
        ("Give the last item.", found[-1]),
        ("Say the items in the opposite order.", " and ".join(reversed(found))),
        ("Write the text in small letters.", text.lower()),
        ("Put a backslash before every dot.", text.replace(".", r"\.")),
        ("Put every item in quotes.", " ".join('"' + f.strip('"') + '"' for f in found)),
        (
            "Quote what has spaces.",
            " ".join(f'"{f}"' if " " in f.strip('"') and f[0] != '"' else f for f in found),
        ),
        ("Put a slash after every item.", " ".join(f + "/" for f in found)),
        ("Put parentheses around every item.", " ".join(f"({f})" for f in found)),
    )
    task, answer = rng.choice(tasks)
    return task, text, answer


def _sentence_chat(rng: random.Random) -> Chat:
    """The same request told twice."""
    what = situation(rng)
    return [
        ("system", "Say the same in other words."),
        ("user", tell(what, rng)),
        ("assistant", tell(what, rng)),
    ]


def chat(rng: random.Random) -> Chat:
    """Makes one document."""
    draw = rng.random()
    if draw < 0.66:
        what, style = situation(rng), rng.choice((0, 0, 0, 1, 2, 2, 3, 4))
        return [("system", STYLES[style]), ("user", tell(what, rng)), ("assistant", restate(what, style))]
    if draw < 0.84:
        what = situation(rng)
        turns: Chat = [("system", "Answer the questions about the request.")]
        said = tell(what, rng)
        for question, answer in _questions(what, rng):
            turns += [("user", f"{said} - {question}" if said else question), ("assistant", answer)]
            said = ""
        return turns
    if draw < 0.97:
        task, text, answer = _copying(rng)
        return [("system", task), ("user", text), ("assistant", answer)]
    return _sentence_chat(rng)


def chats(seed: int) -> Iterator[Chat]:
    """Yields documents for ever, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        made = chat(rng)
        if not any(FORBIDDEN.search(text) for _, text in made):
            yield made
