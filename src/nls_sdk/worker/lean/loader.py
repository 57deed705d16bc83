"""Optimizer steps as batches, in the sampler's order."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.data import BatchSampler, DataLoader

from ..data import Row
from ..sampling import StepSampler
from .batch import Batch, Shape, answers_of, pack
from .shapes import fit, plan, split


class Steps(BatchSampler):
    """The sampler's examples, an optimizer step's at a time."""

    sampler: StepSampler

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of, from 0."""
        self.sampler.set_epoch(epoch)


class StepLoader(DataLoader[list[Batch]]):
    """Loads the batches of one optimizer step at a time."""

    def __init__(self, rows: Sequence[Row], sampler: StepSampler, step_size: int, pack: Packer) -> None:
        """Make a loader.

        Args:
            rows: The examples.
            sampler: Their order.
            step_size: Examples in one optimizer step.
            pack: Makes a step's batches.
        """
        self._steps = Steps(sampler, step_size, drop_last=False)
        super().__init__(rows, batch_sampler=self._steps, collate_fn=pack)  # type: ignore[arg-type]  # T is batches, not rows

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of, from 0."""
        self._steps.set_epoch(epoch)


class Packer:
    """Makes the batches of an optimizer step.

    Attributes:
        shapes: What they are filled up to, the smallest first; none leaves each its own.
    """

    def __init__(
        self, *, most_tokens: int, most_rows: int, shared: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        """Make a packer.

        Args:
            most_tokens: What one batch holds.
            most_rows: The same in rows.
            shared: Tokens that every row begins with, and that a batch has once.
            rank: Which process this is.
            world: How many processes share a step.
        """
        self.shapes: Sequence[Shape] = ()
        self._most_tokens, self._most_rows = most_tokens, most_rows
        self._shared = shared
        self._rank, self._world = rank, world

    def parts(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """This process's share of a step's rows, parted into batches."""
        own = rows[self._rank :: self._world]
        return split(own, self._most_tokens, self._most_rows) if own else []

    def __call__(self, rows: Sequence[Row]) -> list[Batch]:
        """This process's batches of a step."""
        answers = sum(answers_of(row) for row in rows)
        return [
            pack(part, fit(self._shape(part), self.shapes), step_answers=answers) for part in self.parts(rows)
        ]

    def plan(self, rows: Sequence[Row], sampler: StepSampler, step_size: int, epochs: int) -> None:
        """Choose the shapes for all epochs of a training."""
        needed = set()
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            for step in BatchSampler(sampler, step_size, drop_last=False):
                needed |= {self._shape(part) for part in self.parts([rows[i] for i in step])}
        sampler.set_epoch(0)
        self.shapes = plan(needed)

    def _shape(self, rows: Sequence[Row]) -> Shape:
        return Shape.of(rows, shared=self._shared)
