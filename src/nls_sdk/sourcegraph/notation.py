"""A small notation for regular grammars, and its renderings for llguidance (Lark) and xgrammar (EBNF)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TypeAlias

from attrs import frozen


@frozen
class Text:
    """Exactly this text."""

    text: str


@frozen
class Class:
    """One character of a class, as it is written in a regular expression, with its brackets."""

    source: str


@frozen
class Ref:
    """Another rule, by its name."""

    name: str


@frozen
class Seq:
    """One part after the other."""

    parts: tuple[Part, ...]


@frozen
class Choice:
    """One of several parts."""

    parts: tuple[Part, ...]


@frozen
class Repeat:
    """A part, at least ``least`` times, and at most ``most`` unless that is None."""

    part: Part
    least: int
    most: int | None


@frozen
class Limit:
    """A part of at most so many characters; in EBNF, every repetition in it happens at most so often."""

    part: Part
    most: int


Part: TypeAlias = Text | Class | Ref | Seq | Choice | Repeat | Limit


def seq(*parts: Part | str) -> Part:
    """Parts one after the other; a string stands for itself."""
    made = tuple(_part(part) for part in parts)
    return made[0] if len(made) == 1 else Seq(made)


def choice(*parts: Part | str) -> Part:
    """One of the parts; a string stands for itself."""
    made = tuple(_part(part) for part in parts)
    return made[0] if len(made) == 1 else Choice(made)


def texts(words: Iterable[str]) -> Part:
    """One of the words."""
    return choice(*words)


def repeat(part: Part | str, least: int, most: int) -> Part:
    """A part some times."""
    return Repeat(_part(part), least, most)


def many(part: Part | str, least: int = 1) -> Part:
    """A part any number of times, at least ``least``: cheaper than a count, so for use inside a `Limit`."""
    return Repeat(_part(part), least, None)


def maybe(*parts: Part | str) -> Part:
    """The parts in a row, or nothing."""
    return Repeat(seq(*parts), 0, 1)


def _part(part: Part | str) -> Part:
    return Text(part) if isinstance(part, str) else part


def longest(rules: dict[str, Part], part: Part) -> float:
    """The length, in characters, of the longest sentence of a part."""
    known: dict[str, float] = {}

    def measure(part: Part) -> float:
        match part:
            case Text():
                return len(part.text)
            case Class():
                return 1
            case Ref():
                if part.name not in known:
                    known[part.name] = measure(rules[part.name])
                return known[part.name]
            case Seq():
                return sum(map(measure, part.parts))
            case Choice():
                return max(map(measure, part.parts))
            case Repeat(most=None):
                return math.inf
            case Repeat():
                return (part.most or 0) * measure(part.part)
            case Limit():
                return min(part.most, measure(part.part))

    return measure(part)


def lark(rules: dict[str, Part], start: str = "start") -> str:
    """Renders rules for llguidance, all of them as one lexeme.

    llguidance takes the longest lexeme and does not turn back; with a single one nothing is cut wrong, and
    its automaton, made as it is needed, is much faster than its parser.
    """
    return f"start: {_terminal(start)}\n" + "".join(
        f"{_terminal(name)}: {_lark(part)}\n" for name, part in rules.items()
    )


def _terminal(name: str) -> str:
    return name if name.isupper() else f"RULE_{name.upper()}"


def _lark(part: Part) -> str:
    match part:
        case Text():
            return json.dumps(part.text, ensure_ascii=False)
        case Class():
            return f"/{part.source.replace('/', chr(92) + '/')}/"
        case Ref():
            return _terminal(part.name)
        case Seq():
            return " ".join(_lark_inside(p) for p in part.parts)
        case Choice():
            return " | ".join(_lark_inside(p) for p in part.parts)
        case Repeat(least=0, most=1):
            return f"({_lark(part.part)})?"
        case Repeat(most=None):
            return " ".join([f"({_lark(part.part)})"] * part.least + [f"({_lark(part.part)})*"])
        case Repeat():
            return f"({_lark(part.part)}){{{part.least},{part.most}}}"
        case Limit():
            return f"({_lark(part.part)}) & /(?s:.{{0,{part.most}}})/"


def _lark_inside(part: Part) -> str:
    return f"({_lark(part)})" if isinstance(part, Choice | Seq | Limit | Repeat) else _lark(part)


def ebnf(rules: dict[str, Part], start: str = "start") -> str:
    """Renders rules for xgrammar, which begins at ``root``.

    EBNF cannot say how long a part is as a whole, so it has longer sentences than the rules.
    """
    return f"root ::= {_name(start)}\n" + "".join(
        f"{_name(name)} ::= {_ebnf(part)}\n" for name, part in rules.items()
    )


def _name(name: str) -> str:
    return name.lower() + ("_t" if name.isupper() else "")


def _ebnf(part: Part, most: int | None = None) -> str:
    """A part in EBNF, inside a limit of ``most`` characters."""
    match part:
        case Text():
            return json.dumps(part.text, ensure_ascii=False)
        case Class():
            return part.source
        case Ref():
            return _name(part.name)
        case Seq():
            return " ".join(_ebnf_inside(p, most) for p in part.parts)
        case Choice():
            return " | ".join(_ebnf_inside(p, most) for p in part.parts)
        case Repeat(least=0, most=1):
            return f"({_ebnf(part.part, most)})?"
        case Repeat():
            # What has no bound of its own stands inside a limit, and cannot be repeated more often.
            bound = part.most if part.most is not None else most
            upper = "" if bound is None else bound
            return f"({_ebnf(part.part, most)}){{{part.least},{upper}}}"
        case Limit():
            return _ebnf(part.part, part.most)


def _ebnf_inside(part: Part, most: int | None) -> str:
    text = _ebnf(part, most)
    return f"({text})" if isinstance(part, Choice | Seq) else text
