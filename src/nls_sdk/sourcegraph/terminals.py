"""The words of the decoding grammar: terms, regular expressions, dates and the values of filters."""

from __future__ import annotations

import re
from calendar import monthrange

from .dates import MONTHS, WEEKDAYS
from .fields import Value
from .languages import spellings
from .linting import TYPES, VISIBILITIES
from .notation import Class, Limit, Part, Ref, choice, many, maybe, repeat, seq, texts
from .values import SELECTIONS

LONGEST_REGEXP = 80
"""The length, in characters, of the longest regular expression or quoted term in a sentence."""

LONGEST_WORD = 40
"""The length, in characters, of the longest word in a sentence."""

_LETTER = Class("[A-Za-z0-9_]")
_SIGNS = r"_.+=<>#@$%&;,*{}|^~!?/\-\[\]"
_TAIL = Class(f"[A-Za-z0-9{_SIGNS}]")
_NOT_QUOTE = Class(r'[^"\\\x00-\x1f\x7f]')
_NAME = Class(r"[A-Za-z0-9_.\-]")
_PERSON = Class(r"[A-Za-z0-9 ',@_\-<>\u00c0-\u024f]")
_ESCAPE = seq("\\", Class(r"[.\\+*?()\[\]{}|^$\-dwsDWS]"))
_SAFE_FIRST = "[B-MP-Zb-mp-z0-9_]"


def _but_operators(first: str, tail: Part) -> Part:
    """Words that begin with a class of characters, but for AND, OR and NOT in any case."""
    options: list[Part | str] = [seq(Class(first), many(tail, 0))]
    for word in ("and", "or", "not"):
        head: list[Part | str] = []
        for letter, following in zip(word, [*word[1:], None], strict=True):
            head.append(Class(f"[{letter}{letter.upper()}]"))
            if following is None:
                options.append(seq(*head, many(tail)))
            else:
                # Here the word may end, or go on with anything but the operator's next letter.
                options.append(seq(*head, maybe(Ref(f"TAIL_BUT_{following.upper()}"), many(tail, 0))))
    return choice(*options)


def _tail_without(letter: str) -> Part:
    """The characters of a word but for one letter, in both cases."""
    spans = "".join(
        f"{chr(start)}-{chr(end)}"
        for base, point in ((ord("a"), ord(letter)), (ord("A"), ord(letter.upper())))
        for start, end in ((base, point - 1), (point + 1, base + 25))
    )
    return Class(f"[{spans}0-9{_SIGNS}]")


def _character_class() -> Part:
    inside = choice(
        Class(r"[A-Za-z0-9_.,;=%&#<>!~+*$?|/]"),
        seq("\\", Class(r"[.\\\]\[\-^dwsDWS]")),
        texts(("a-z", "A-Z", "0-9", "a-f", "A-F")),
    )
    return seq("[", maybe("^"), many(inside), "]")


def _atom(char: Part) -> Part:
    """A character, class, escape or anchor of a regular expression that RE2 takes, perhaps repeated."""
    span = choice(
        *(f"{{{n}}}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 36, 40, 64)),
        *(seq(f"{{{n},", maybe(Class(f"[{n}-9]")), "}") for n in range(1, 10)),
    )
    quantifier = choice(seq(Class("[*+?]"), maybe("?")), span)
    repeated = seq(choice(char, _ESCAPE, ".", _character_class()), maybe(quantifier))
    return choice(repeated, "^", "$", "\\b")


def _group(char: Part) -> Part:
    branch = many(_atom(char))
    return seq("(", maybe("?:"), branch, many(seq("|", branch), 0), ")", maybe(Class("[*+?]")))


def _regexp(char: Part, least: int = 1) -> Part:
    """Regular expressions that RE2 takes, with groups but none inside another."""
    return many(choice(_atom(char), _group(char)), least)


def terminals() -> dict[str, Part]:
    """The terminals by their names, in capitals."""
    plain = Class(r"[A-Za-z0-9_,;=%&#<>!~/\-]")
    spaced = Class(r"""[A-Za-z0-9_ ,:;=@%&#<>!~'"`\-]""")
    opening = choice("^", "\\b", seq(choice(".", _ESCAPE, _character_class()), maybe(Class("[*+?]"))))
    rules: dict[str, Part] = {f"TAIL_BUT_{c.upper()}": _tail_without(c) for c in "ndrot"}
    rules |= {
        "WORD": Limit(_but_operators(_SAFE_FIRST, _TAIL), LONGEST_WORD),
        "QUOTED": Limit(seq('"', many(choice(_NOT_QUOTE, '\\"', "\\\\")), '"'), LONGEST_REGEXP),
        "SLASHED": Limit(seq("/", _regexp(spaced), many(seq("|", _regexp(spaced)), 0), "/"), LONGEST_REGEXP),
        "TERM": choice(Ref("WORD"), Ref("QUOTED"), Ref("SLASHED")),
        # A value that begins like a predicate and has parentheses would read as a misspelt one, so
        # those that begin with the letters of has, contains and at have none.
        "RE": Limit(
            choice(
                seq(
                    choice(Class("[BD-GI-Zbd-gi-z0-9_]"), opening, _group(plain)),
                    many(choice(_atom(plain), _group(plain)), 0),
                ),
                many(_atom(plain)),
            ),
            LONGEST_REGEXP,
        ),
        "RE_TERM": Limit(
            choice(
                seq(choice(Class(_SAFE_FIRST), opening), many(choice(_atom(plain), _group(plain)), 0)),
                seq(Class("[ANOano]"), _regexp(plain, least=3)),
            ),
            LONGEST_REGEXP,
        ),
        "DATE": _date(),
        "LANGUAGE": texts(sorted(_languages())),
        "PERSON": choice(Ref("RE"), seq('"', repeat(_PERSON, 1, 40), '"')),
        "NAME": seq(_LETTER, repeat(_NAME, 0, 39)),
        "REVISION": seq(_LETTER, repeat(Class(r"[A-Za-z0-9_./\-]"), 0, 59)),
    }
    return rules


def _date() -> Part:
    month = choice(
        *(f"{month:02}-" for month in (1, 3, 5, 7, 8, 10, 12)),
    )
    day28 = choice(seq("0", Class("[1-9]")), seq("1", Class("[0-9]")), seq("2", Class("[0-8]")))
    short = choice("04-", "06-", "09-", "11-")
    iso = seq(
        choice("19", "20"),
        Class("[0-9]"),
        Class("[0-9]"),
        "-",
        choice(
            seq("02-", day28),
            seq(short, choice(day28, "29", "30")),
            seq(month, choice(day28, "29", "30", "31")),
        ),
    )
    units = choice("minute", "hour", "day", "week", "month", "year")
    weekdays, months = texts(WEEKDAYS), texts(MONTHS)
    first28 = choice(Class("[1-9]"), seq("1", Class("[0-9]")), seq("2", Class("[0-8]")))
    ago = seq(Class("[1-9]"), maybe(Class("[0-9]")), " ", units, maybe("s"), " ago")
    last = seq("last ", choice(units, weekdays, months))
    # Without its day, a month's year would be read as an hour.
    by_length: dict[int, list[str]] = {}
    for number, name in enumerate(MONTHS, 1):
        by_length.setdefault(monthrange(2023, number)[1], []).append(name)
    named = seq(
        choice(
            *(
                seq(texts(names), " ", choice(first28, *map(str, range(29, longest + 1))))
                for longest, names in by_length.items()
            )
        ),
        " 20",
        Class("[0-9]"),
        Class("[0-9]"),
    )
    return choice(iso, "yesterday", "today", seq('"', choice(ago, last, named, "yesterday", "today"), '"'))


def _languages() -> set[str]:
    """Every language by its name, and by those other names that need no quotes."""
    found: set[str] = set()
    for name, keys in spellings().items():
        for spelling in (name.lower(), *keys):
            if re.fullmatch(r"[a-z0-9+#.\-]+", spelling):
                found.add(spelling)
            elif spelling == name.lower() and "_" not in spelling and '"' not in spelling:
                found.add(f'"{spelling}"')
    return found


def values() -> dict[Value, Part]:
    """What may stand after the colon, by the rule for values; those with a rule of their own are not here."""
    commits = {"commit", "diff"}
    return {
        Value.REGEXP: Ref("RE"),
        Value.LANGUAGE: Ref("LANGUAGE"),
        Value.BOOLEAN: choice("yes", "no"),
        Value.YES_NO_ONLY: choice("yes", "no", "only"),
        Value.DATE: Ref("DATE"),
        Value.COUNT: choice("all", seq(Class("[1-9]"), repeat(Class("[0-9]"), 0, 4))),
        Value.DURATION: seq(Class("[1-9]"), repeat(Class("[0-9]"), 0, 2), choice("s", "m", "ms")),
        Value.SELECT: texts(SELECTIONS),
        Value.TYPE: texts(t for t in TYPES if t not in commits and t != "structural"),
        Value.VISIBILITY: texts(VISIBILITIES),
    }
