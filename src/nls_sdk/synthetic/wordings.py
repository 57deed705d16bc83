"""What a concept is: the ways people say it, and the piece of query it stands for."""

from __future__ import annotations

from attrs import frozen

POST, PRE, LEAD, TAIL = "post", "pre", "lead", "tail"


@frozen
class Wording:
    """One way of saying something.

    Attributes:
        text: the words, with ``{x}`` and ``{y}`` where the values go.
        place: ``post`` after the noun phrase, ``pre`` before it, ``lead`` before the whole
            question, ``tail`` after a comma at its end.
        held: true where only validation may use it.
    """

    text: str
    place: str
    held: bool


@frozen
class Concept:
    """One thing a question can ask for.

    Attributes:
        name: its name.
        pools: the pools its values come from, one is drawn per question.
        query: the piece of query, with ``{x}`` and ``{y}``.
        rank: its place in the canonical order of the query.
        wordings: the ways of saying it.
        clashes: modifiers that cannot stand beside it.
    """

    name: str
    pools: tuple[str, ...]
    query: str
    rank: int
    wordings: tuple[Wording, ...]
    clashes: frozenset[str] = frozenset()

    def said(self, held: bool) -> tuple[Wording, ...]:
        """The wordings for training (``held`` false) or those held out."""
        return tuple(w for w in self.wordings if w.held == held)


def wordings(seen: str, held: str) -> tuple[Wording, ...]:
    """Reads two blocks of text, one wording a line, ``place| words`` or plain words for post."""
    return tuple(
        _wording(line.strip(), is_held)
        for block, is_held in ((seen, False), (held, True))
        for line in block.strip().splitlines()
        if line.strip()
    )


def _wording(line: str, held: bool) -> Wording:
    place, bar, text = line.partition("| ")
    return Wording(text, place, held) if bar else Wording(line, POST, held)


def concept(
    name: str,
    pools: str,
    query: str,
    rank: int,
    seen: str,
    held: str,
    clashes: str = "",
) -> Concept:
    """Builds a `Concept` from plain text."""
    return Concept(
        name,
        tuple(pools.split()),
        query,
        rank,
        wordings(seen, held),
        frozenset(clashes.split()),
    )
