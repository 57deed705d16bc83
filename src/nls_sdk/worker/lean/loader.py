"""Optimizer steps as batches, in the sampler's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.utils.data import BatchSampler, DataLoader

from ..data import Row
from ..sampling import StepSampler
from .batch import Batch, Shape, answers_of, pack


class Steps(BatchSampler):
    """The sampler's examples, an optimizer step's at a time."""

    sampler: StepSampler

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of, from 0."""
        self.sampler.set_epoch(epoch)


class StepLoader(DataLoader[list[Batch]]):
    """Loads the batches of one optimizer step at a time."""

    def __init__(self, rows: Sequence[Row], sampler: StepSampler, step_size: int) -> None:
        """Make a loader.

        Args:
            rows: The examples.
            sampler: Their order.
            step_size: Examples in one optimizer step.
        """
        self._steps = Steps(sampler, step_size, drop_last=False)
        super().__init__(rows, batch_sampler=self._steps, collate_fn=_batches)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of, from 0."""
        self._steps.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[Batch]]:  # type: ignore[override]
        return super().__iter__()


def _batches(rows: list[Row]) -> list[Batch]:
    answers = sum(answers_of(row) for row in rows)
    return [pack(rows, Shape.of(rows), step_answers=answers)]
