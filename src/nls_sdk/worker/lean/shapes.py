"""Which shapes a training's batches are filled up to: few, so that each can be prepared, and tight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..data import Row
from .batch import Shape

MOST = 8
"""Shapes of one training; each costs a second or two at its start."""

_TOKENS = 64
_ANSWERS = 16


def split(rows: Sequence[Row], most_tokens: int, most_rows: int) -> list[Sequence[Row]]:
    """Part an optimizer step's rows into the fewest batches that hold so many, of like size.

    Args:
        rows: The rows; a batch gets every n-th, so that the batches are alike.
        most_tokens: What a batch holds; a longer row is a batch of its own.
        most_rows: The same in rows.
    """
    tokens = sum(len(row.tokens) for row in rows)
    count = min(max(1, -(-tokens // most_tokens), -(-len(rows) // most_rows)), len(rows))
    while count < len(rows) and any(_tokens(rows[i::count]) > most_tokens for i in range(count)):
        count += 1
    return [rows[i::count] for i in range(count)]


def plan(needed: Iterable[Shape], *, most: int = MOST) -> list[Shape]:
    """Choose shapes for batches.

    Args:
        needed: The smallest shape of each batch that will come.
        most: How many to choose.

    Returns:
        Shapes, the smallest first; each of the batches fits into one.
    """
    shapes = set(needed)
    unit = _TOKENS
    while len({_up(shape.tokens, unit) for shape in shapes}) > most:
        unit += _TOKENS
    chosen: dict[int, Shape] = {}
    for shape in shapes:
        tokens = _up(shape.tokens, unit)
        # What is left of a shape is filled with one row, so that row's length counts too.
        longest = max(shape.longest, tokens - shape.tokens)
        room = Shape(tokens, _up(shape.answers, _ANSWERS), shape.rows, longest, shape.shared)
        chosen[tokens] = room.at_least(chosen.get(tokens, room))
    return [chosen[tokens] for tokens in sorted(chosen)]


def fit(shape: Shape, shapes: Sequence[Shape]) -> Shape:
    """The smallest of the planned shapes that a batch fits into; its own when there is none."""
    return next((each for each in shapes if each.holds(shape)), shape)


def _tokens(rows: Sequence[Row]) -> int:
    return sum(len(row.tokens) for row in rows)


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
