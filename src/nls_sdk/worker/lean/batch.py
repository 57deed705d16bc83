"""Batches: rows of tokens standing end to end, in one of a few fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen

from ..data import Row


@frozen
class Shape:
    """How much a batch has room for.

    Attributes:
        tokens: Tokens of all its rows together.
        answers: Tokens with loss.
        rows: Rows.
        longest: Tokens of its longest row.
    """

    tokens: int
    answers: int
    rows: int
    longest: int

    def holds(self, other: Shape) -> bool:
        """Whether a batch of the other shape fits."""
        return (
            self.tokens >= other.tokens
            and self.answers >= other.answers
            and self.rows >= other.rows
            and self.longest >= other.longest
        )

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Shape:
        """The smallest shape that holds the rows."""
        lengths = [len(row.tokens) for row in rows]
        return cls(sum(lengths), sum(answers_of(row) for row in rows), len(rows), max(lengths))

    def at_least(self, other: Shape) -> Shape:
        """The smallest shape that holds batches of both."""
        return Shape(
            max(self.tokens, other.tokens),
            max(self.answers, other.answers),
            max(self.rows, other.rows),
            max(self.longest, other.longest),
        )


def answers_of(row: Row) -> int:
    """Tokens of the row on which loss falls; nothing predicts the first of all."""
    return len(row.tokens) - max(row.prompt_length, 1)


@frozen(eq=False)
class Batch:
    """Rows as numbers: one vector, so that one copy brings a batch to the device.

    What is left of `shape` is filled with a row of its own that no answer reads.

    Attributes:
        shape: What the vector has room for.
        vector: int32: tokens, positions, starts of rows, places of answers, labels, the step's answers.
        examples: Rows that are examples.
        trained: Tokens that are an example's.
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
        starts: Where each row starts, and where the last one ends, `(rows + 2,)`: the last row is filling.
        places: Which tokens predict an answer's, `(answers,)`; filling repeats the first token.
        labels: What they predict, `(answers,)`; filling is -1.
        answers: Answer tokens of the whole optimizer step, `(1,)`: the loss is a mean over them.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    starts: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    answers: torch.Tensor

    @classmethod
    def of(cls, vector: torch.Tensor, shape: Shape) -> Fields:
        """Cut a vector of the shape."""
        return cls(*vector.split(sizes(shape)))


def sizes(shape: Shape) -> list[int]:
    """How long the parts of a batch's vector are."""
    return [shape.tokens, shape.tokens, shape.rows + 2, shape.answers, shape.answers, 1]


def pack(rows: Sequence[Row], shape: Shape, *, step_answers: int) -> Batch:
    """Stand rows end to end; one more row fills what is left of the shape.

    Args:
        rows: The examples.
        shape: What to fill up to; it holds the rows.
        step_answers: Answer tokens of the whole optimizer step.
    """
    tokens: list[int] = []
    positions: list[int] = []
    starts: list[int] = [0]
    places: list[int] = []
    labels: list[int] = []
    for row in rows:
        first = max(row.prompt_length, 1)
        places += range(len(tokens) + first - 1, len(tokens) + len(row.tokens) - 1)
        labels += row.tokens[first:]
        tokens += row.tokens
        positions += range(len(row.tokens))
        starts.append(len(tokens))
    trained, room = len(tokens), shape.tokens - len(tokens)
    tokens += [0] * room
    positions += range(room)
    starts += [trained] * (shape.rows + 1 - len(starts)) + [shape.tokens]
    places += [0] * (shape.answers - len(places))
    labels += [-1] * (shape.answers - len(labels))
    vector = torch.tensor(tokens + positions + starts + places + labels + [step_answers], dtype=torch.int32)
    return Batch(shape, vector, len(rows), trained)
