"""What the corpus knows of English: the files of `grammar/`, read once.

- ``clauses.txt``: many ways of saying one detail of a request about code, a block for each detail.
- ``subjects.txt``: noun phrases for what a request is about, a block for each kind.
- ``openers.txt``: how requests begin.
- ``english.txt``, ``languages.txt``: words to make names of, and programming languages.
- ``withheld.txt``: wordings that must not occur, because validation holds them out.

A line is a small grammar: ``(a|b|)`` is a choice, possibly nested and possibly empty, ``{x}`` and ``{y}``
are the values. Plain lines follow the noun; ``lead>`` lines open the sentence, ``tail>`` lines follow a
comma at its end, ``pre>`` lines stand before the noun. All of it was written from general English, apart
from the templates of the fine-tuning data.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "grammar"
_CHOICE = re.compile(r"\(([^()]*)\)")


def _lines(name: str) -> list[str]:
    return (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def _blocks(name: str) -> dict[str, list[str]]:
    blocks: dict[str, list[str]] = {}
    for line in filter(None, _lines(name)):
        if line.startswith("# "):
            blocks[line.removeprefix("# ")] = []
        else:
            blocks[next(reversed(blocks))].append(line)
    return blocks


CLAUSES = _blocks("clauses")
SUBJECTS = _blocks("subjects")
OPENERS = _lines("openers")
ENGLISH = " ".join(_lines("english")).split()
LANGUAGES = " ".join(_lines("languages")).split()
WITHHELD = _lines("withheld")

GRAMMARS = tuple(
    line.rpartition("> ")[2] for block in (*CLAUSES.values(), *SUBJECTS.values(), OPENERS) for line in block
)
"""Every line of grammar, without its place."""

_lowered = tuple(w.lower() for w in WITHHELD)
_withheld = re.compile("|".join(rf"(?<![\w}}]){re.escape(w)}(?![\w{{])" for w in WITHHELD), re.IGNORECASE)


def phrase(grammar: str, rng: random.Random) -> str:
    """Expands a line of grammar into a wording that is not withheld, its values still ``{x}``."""
    while True:
        said = _expand(grammar, rng)
        low = said.lower()
        if not any(w in low for w in _lowered) or not _withheld.search(said):
            return said


def _expand(grammar: str, rng: random.Random) -> str:
    """Takes every choice, the inner ones first."""
    while (match := _CHOICE.search(grammar)) is not None:
        chosen = rng.choice(match.group(1).split("|"))
        grammar = grammar[: match.start()] + chosen + grammar[match.end() :]
    return re.sub(r" +", " ", grammar).strip()


def fill(text: str, found: tuple[str, ...]) -> str:
    """Puts the values in."""
    for slot, value in zip(("{x}", "{y}"), found, strict=False):
        text = text.replace(slot, value)
    return text
