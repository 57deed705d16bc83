"""Batches: rows of tokens standing end to end, in one of a few fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from attrs import frozen

from ..data import Row


@frozen
class Shape:
    """How much a batch has room for.

    Attributes:
        tokens: Tokens of all its rows together; what the rows share counts once.
        answers: Tokens with loss.
        rows: Rows.
        longest: Tokens of its longest row, without what the rows share, or of that if it is longer.
        shared: Tokens with which every row begins.
    """

    tokens: int
    answers: int
    rows: int
    longest: int
    shared: int = 0

    @property
    def segments(self) -> int:
        """What stands end to end: what the rows share, the rows, and what fills the rest."""
        return bool(self.shared) + self.rows + 1

    @property
    def keys(self) -> int:
        """Tokens that are looked at, where every segment has what the rows share before it."""
        return self.tokens + self.shared * (self.rows + 1)

    def holds(self, other: Shape) -> bool:
        """Whether a batch of the other shape fits."""
        return (
            self.shared == other.shared
            and self.tokens >= other.tokens
            and self.answers >= other.answers
            and self.rows >= other.rows
            and self.longest >= other.longest
        )

    @classmethod
    def of(cls, rows: Sequence[Row], *, shared: int = 0) -> Shape:
        """The smallest shape that holds the rows, which all begin with the same `shared` tokens."""
        lengths = [len(row.tokens) - shared for row in rows]
        answers = sum(answers_of(row) for row in rows)
        return cls(shared + sum(lengths), answers, len(rows), max(shared, *lengths), shared)

    def at_least(self, other: Shape) -> Shape:
        """The smallest shape that holds batches of both."""
        return Shape(
            max(self.tokens, other.tokens),
            max(self.answers, other.answers),
            max(self.rows, other.rows),
            max(self.longest, other.longest),
            self.shared,
        )


def shared_start(rows: Sequence[Row]) -> int:
    """How many tokens all rows begin with; of each, at least one token before its answer is its own."""
    in_order = sorted(list(row.tokens) for row in rows)
    first, last = in_order[0], in_order[-1]  # What these two begin with, all between them do.
    most = max(0, min(row.prompt_length for row in rows) - 1)
    return next((place for place in range(most) if first[place] != last[place]), most)


def answers_of(row: Row) -> int:
    """Tokens of the row on which loss falls; nothing predicts the first of all."""
    return len(row.tokens) - max(row.prompt_length, 1)


@frozen(eq=False)
class Batch:
    """Rows as numbers: one vector, so that one copy brings a batch to the device.

    What is left of `shape` is filled with a row of its own that no answer reads.

    Attributes:
        shape: What the vector has room for.
        vector: int32: the parts of `Fields`, end to end.
        examples: Rows that are examples.
        trained: Tokens that are an example's; what the rows share counts for each of them.
    """

    shape: Shape
    vector: torch.Tensor
    examples: int
    trained: int


@frozen(eq=False)
class Fields:
    """The parts of a batch's vector, as views.

    Attributes:
        tokens: Token ids, `(tokens,)`.
        positions: Each token's place in its row, `(tokens,)`.
        starts: Where each segment starts, and where the last one ends, `(segments + 1,)`.
        places: Which tokens predict an answer's, `(answers,)`; filling repeats the first token.
        labels: What they predict, `(answers,)`; filling is -1.
        keys: Which tokens the segments look at, one after the other, `(keys,)`; none where nothing is shared.
        own: Where each token stands among `keys` as its segment's own, `(tokens,)`; none likewise.
        answers: Answer tokens of the whole optimizer step, `(1,)`: the loss is a mean over them.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    starts: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    keys: torch.Tensor
    own: torch.Tensor
    answers: torch.Tensor

    @classmethod
    def of(cls, vector: torch.Tensor, shape: Shape) -> Fields:
        """Cut a vector of the shape."""
        return cls(*vector.split(sizes(shape)))

    def sharing(self, shape: Shape) -> tuple[torch.Tensor, ...]:
        """`keys`, `own`, and where what the rows share stands among the keys: what `spread` takes.

        Nothing, where they share nothing.
        """
        if not shape.shared:
            return ()
        places = torch.arange(shape.shared, dtype=torch.int32, device=self.starts.device)
        return self.keys, self.own, self.key_starts(shape)[1:-1, None] + places

    def key_starts(self, shape: Shape) -> torch.Tensor:
        """Where each segment starts among `keys`, and where the last one ends, `(segments + 1,)`."""
        before = torch.arange(-1, shape.segments, dtype=torch.int32, device=self.starts.device)
        return self.starts + shape.shared * before.clamp(min=0)


def sizes(shape: Shape) -> list[int]:
    """How long the parts of a batch's vector are."""
    shared = (shape.keys, shape.tokens) if shape.shared else (0, 0)
    return [shape.tokens, shape.tokens, shape.segments + 1, shape.answers, shape.answers, *shared, 1]


def pack(rows: Sequence[Row], shape: Shape, *, step_answers: int) -> Batch:
    """Stand rows end to end behind what they share; one more row fills what is left of the shape.

    Args:
        rows: The examples.
        shape: What to fill up to; it holds the rows.
        step_answers: Answer tokens of the whole optimizer step.
    """
    shared = shape.shared
    tokens: list[int] = list(rows[0].tokens[:shared])
    positions: list[int] = list(range(shared))
    starts: list[int] = [0, shared] if shared else [0]
    places: list[int] = []
    labels: list[int] = []
    for row in rows:
        first, moved = max(row.prompt_length, 1), len(tokens) - shared
        places += range(moved + first - 1, moved + len(row.tokens) - 1)
        labels += row.tokens[first:]
        tokens += row.tokens[shared:]
        positions += range(shared, len(row.tokens))
        starts.append(len(tokens))
    used, room = len(tokens), shape.tokens - len(tokens)
    tokens += [0] * room
    positions += range(shared, shared + room)
    starts += [used] * (shape.segments - len(starts)) + [shape.tokens]
    places += [0] * (shape.answers - len(places))
    labels += [-1] * (shape.answers - len(labels))
    keys, own = _looked_at(starts, shared) if shared else ([], [])
    numbers = tokens + positions + starts + places + labels + keys + own + [step_answers]
    trained = sum(len(row.tokens) for row in rows)
    return Batch(shape, torch.tensor(numbers, dtype=torch.int32), len(rows), trained)


def _looked_at(starts: Sequence[int], shared: int) -> tuple[list[int], list[int]]:
    """`Fields.keys` and `Fields.own`."""
    keys, own = list(range(shared)), list(range(shared))
    for start, end in pairwise(starts[1:]):
        keys += range(shared)
        own += range(len(keys), len(keys) + end - start)
        keys += range(start, end)
    return keys, own
