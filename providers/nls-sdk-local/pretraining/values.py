"""Random names, words, paths, dates and code: what the corpus asks the model to copy."""

from __future__ import annotations

import random
import string

from grammar import ENGLISH, LANGUAGES


def _words(text: str) -> list[str]:
    return text.split()


_ONSETS = (
    _words(
        "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p ph pl pr qu r s sc sh sk sl sm sn sp"
        " st str sw t th tr tw v w wh x y z"
    )
    + [""] * 3
)
_VOWELS = _words("a e i o u a e i o ai ea ee ie oo ou oa y au io")
_CODAS = (
    _words("n r l s t d m k p b g ck nd nt rt st th x ng sh ll ss rd rm ft sk lt mp ct v z w") + [""] * 24
)

_ENDINGS = _words(
    "py go js ts tsx jsx java rs rb php c cc cpp h hpp cs kt swift scala pl lua dart r jl yaml yml"
    " json toml md txt html css scss xml sql sh ps1 proto gradle cfg ini lock tf vue svelte graphql"
    " env ex hs ml clj zig nim csv svg properties mod sum bat conf d.ts test.js spec.ts"
)
_PLAIN_FILES = _words("Dockerfile Makefile Procfile Gemfile Rakefile Jenkinsfile LICENSE Vagrantfile BUILD")
_TOP_FOLDERS = _words("src lib pkg app apps core internal cmd web server client tools docs scripts test")
_MONTHS = _words("january february march april may june july august september october november december")
_DAYS = _words("monday tuesday wednesday thursday friday saturday sunday")
_UNITS = _words("hours days weeks months years")


def syllables(rng: random.Random, low: int, high: int) -> str:
    """A made-up word of some syllables."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.randint(low, high))
    )


def word(rng: random.Random) -> str:
    """An English word or, as often, a made-up one."""
    return rng.choice(ENGLISH) if rng.random() < 0.6 else syllables(rng, 1, 2)


def _odd(rng: random.Random) -> str:
    letters = string.ascii_lowercase + string.digits
    return "".join(rng.choice(letters) for _ in range(rng.randint(2, 6)))


def slug(rng: random.Random) -> str:
    """A project's name."""
    name = word(rng) if rng.random() < 0.55 else rng.choice("-__"[:2]).join((word(rng), word(rng)))
    return f"{name}-{_odd(rng)}" if rng.random() < 0.05 else name


def repository(rng: random.Random) -> str:
    """A repository, with or without its organisation."""
    parts = [slug(rng)] if rng.random() < 0.3 else [word(rng), slug(rng)]
    return "/".join(parts)


def person(rng: random.Random) -> str:
    """A first name, a full name or a handle."""
    first, last = syllables(rng, 1, 3), syllables(rng, 2, 3)
    return rng.choice(
        (first, f"{first.capitalize()} {last.capitalize()}", f"{first}-{last[0]}", first + last[:3])
    )


def owner(rng: random.Random) -> str:
    """A team or a person, often with an at sign."""
    name = rng.choice((slug(rng), person(rng).split()[0].lower(), f"{word(rng)}-{word(rng)}"))
    return f"@{name}" if rng.random() < 0.5 else name


def identifier(rng: random.Random) -> str:
    """A name as code has them, in one of the usual shapes."""
    words = [word(rng) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
    caps = [w.capitalize() for w in words]
    return rng.choice(
        (
            words[0] + "".join(caps[1:]),
            words[0] + "".join(caps[1:]),
            "".join(caps),
            "".join(caps),
            "_".join(words),
            "_".join(words),
            "_".join(words).upper(),
            words[0],
        )
    )


def phrase(rng: random.Random) -> str:
    """A few words in quotes."""
    return '"' + " ".join(word(rng) for _ in range(rng.choice((2, 2, 3, 3, 4)))) + '"'


def snippet(rng: random.Random) -> str:
    """A piece of code in quotes."""
    a, b = identifier(rng), word(rng)
    forms = (
        f"{b}.{a}(", f"{b}::{a}", f"{a}()", f"{a} = {b}", f"{a} == {b}", f"import {b}", f"new {a}()",
        f"{b}.{a}.{word(rng)}(", f"{a} := {rng.randint(0, 9)}", f"return {b}", f"{b} {a} {word(rng)}",
        f"if {b} != {word(rng)}", f"{b}: {a}", f"raise {a}", f"{b} *", f"{a}[{rng.randint(0, 9)}]",
        f"{b.upper()}: {word(rng)}", f"{b.upper()} {word(rng)}:{rng.randint(0, 9)}", f"await {a}(",
        f"{b} ({a}", f"{b} {a}:",
    )  # fmt: skip
    return f'"{rng.choice(forms)}"'


def term(rng: random.Random) -> str:
    """What code is searched for."""
    return rng.choice((identifier, identifier, identifier, word, word, phrase, phrase, snippet))(rng)


def bare_pattern(rng: random.Random) -> str:
    """A regular expression without slashes."""
    a, b = word(rng), word(rng)[:4]
    forms = (
        rf"{a}\d+", rf"{a}({b})?s", rf"{a}\w+", rf"{a}.*{b}", rf"^{a}", rf"\b{a}\b", rf"{a}({b}|{b[:2]}ing)",
        rf"[a-z]+_{b}", rf"{a}[aeiou]{b}", rf"{a}_\d+", rf"{a}?{b}", rf"{a}\w+{b.capitalize()}",
    )  # fmt: skip
    return rng.choice(forms)


def pattern(rng: random.Random) -> str:
    """A regular expression between slashes."""
    a = word(rng)
    forms = (
        bare_pattern(rng), rf"^{a} \w+", rf"{a}=\d+", rf"\.{a}\(", rf"{a}\s*\(", rf"\w+{a.capitalize()}$",
        rf"{a}[A-Z]\w+", rf"{a[:2]}\d+\.\d+", rf"{a}\(\d+\)", rf"0{a[0]}[0-9a-f]+", rf"^{a} ",
    )  # fmt: skip
    return f"/{rng.choice(forms)}/"


def folder(rng: random.Random) -> str:
    """A folder's path."""
    first = rng.choice(_TOP_FOLDERS) if rng.random() < 0.4 else slug(rng)
    return "/".join([first] + [slug(rng) for _ in range(rng.choice((0, 0, 1, 1, 1, 2)))])


def ending(rng: random.Random) -> str:
    """A file's extension with its dot."""
    return "." + (rng.choice(_ENDINGS) if rng.random() < 0.8 else syllables(rng, 1, 1))


def file_name(rng: random.Random) -> str:
    """A file's name."""
    if rng.random() < 0.12:
        return rng.choice(_PLAIN_FILES) if rng.random() < 0.5 else word(rng).capitalize() + "file"
    name = identifier(rng) if rng.random() < 0.3 else slug(rng)
    return name + ending(rng)


def language(rng: random.Random) -> str:
    """A programming language."""
    return rng.choice(LANGUAGES)


def branch(rng: random.Random) -> str:
    """A branch, a tag or a version."""
    a, b, c = (rng.randint(0, 12) for _ in range(3))
    return rng.choice(
        (word(rng), f"{word(rng)}-{word(rng)}", f"v{a}.{b}.{c}", f"{word(rng)}-{a}.{b}", f"{a}.{b}", f"{a}.x")
    )


def date(rng: random.Random) -> str:
    """A day, in figures or in words."""
    year, month, day = rng.randint(2008, 2029), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{year}-{month:02}-{day:02}",
            f"{rng.randint(1, 20)} {rng.choice(_UNITS)} ago",
            f"last {rng.choice([*_DAYS, 'week', 'month', 'year'])}",
            rng.choice(("yesterday", "last night", "today", "1 year ago", "a month ago")),
            f"{rng.choice(_MONTHS)} {day} {year}",
        )
    )


def span(rng: random.Random) -> str:
    """A length of time."""
    return f"{rng.choice((rng.randint(2, 30), rng.randint(2, 120)))} {rng.choice(_UNITS)}"


def count(rng: random.Random) -> str:
    """A number of results."""
    return str(rng.choice((rng.randint(1, 30), rng.randint(2, 40) * 5, rng.randint(1, 50) * 50)))


def seconds(rng: random.Random) -> str:
    """A short time."""
    return rng.choice((f"{rng.randint(2, 99)} seconds", f"{rng.randint(2, 12)} minutes"))


def topic(rng: random.Random) -> str:
    """A subject that repositories are about."""
    return slug(rng)
