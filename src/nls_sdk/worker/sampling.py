"""The order of the examples: decided by seed and epoch alone, so that a resumed run keeps to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class StepSampler(Sampler[int]):
    """Shuffles the examples anew each epoch, then sorts those of each optimizer step by length.

    A step sees the same examples as without sorting, and its loss is a mean over all its answer tokens, so
    that nothing changes but the padding: forward passes of one step get examples of like length.
    """

    def __init__(self, lengths: Sequence[int], *, step_size: int, seed: int) -> None:
        """Make a sampler.

        Args:
            lengths: Tokens of each example.
            step_size: Examples in one optimizer step.
            seed: Decides, with the epoch, the order.
        """
        self._lengths = lengths
        self._step_size = step_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of, from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        for start in range(0, len(order), self._step_size):
            yield from sorted(order[start : start + self._step_size], key=self._lengths.__getitem__)

    def __len__(self) -> int:
        return len(self._lengths)
