"""CUDA graphs: what a GPU does in a step, recorded once and replayed in one launch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .batch import Batch, Fields, Shape

_WARM_UPS = 2


class Recorder:
    """Records steps of several shapes, which share their memory: only one runs at a time."""

    def __init__(self, run: Callable[[Fields, Shape], Tensor], gradient: Tensor) -> None:
        """Make a recorder.

        Args:
            run: Adds a batch's gradients to `gradient` and returns its loss.
            gradient: What recording must leave as it was.
        """
        self._run = run
        self._gradient = gradient
        self._pool = torch.cuda.graph_pool_handle()
        self._recorded: dict[Shape, _Recorded] = {}

    def record(self, shape: Shape) -> None:
        """Prepare for batches of a shape, unless that is done."""
        if shape not in self._recorded:
            before = self._gradient.clone()
            self._recorded[shape] = _Recorded(self._run, shape, self._gradient.device, self._pool)
            self._gradient.copy_(before)

    def __call__(self, batch: Batch) -> Tensor:
        """Run a batch. Returns its loss, which the next batch leaves alone."""
        self.record(batch.shape)
        return self._recorded[batch.shape](batch)


class _Recorded:
    def __init__(
        self,
        run: Callable[[Fields, Shape], Tensor],
        shape: Shape,
        device: torch.device,
        pool: tuple[int, int],
    ) -> None:
        self._vector = _filling(shape).to(device)
        fields = Fields.of(self._vector, shape)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                run(fields, shape)
        torch.cuda.current_stream(device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=side):
            self._loss = run(fields, shape)

    def __call__(self, batch: Batch) -> Tensor:
        self._vector.copy_(batch.vector.pin_memory(), non_blocking=True)
        self._graph.replay()
        return self._loss.clone()


def _filling(shape: Shape) -> Tensor:
    """A batch of the shape that has no example: rows of the greatest length, and no answer."""
    starts = [min(i * shape.longest, shape.tokens) for i in range(shape.rows + 1)] + [shape.tokens]
    positions = [i % shape.longest for i in range(shape.tokens)]
    rest = [0] * shape.answers + [-1] * shape.answers + [1]
    return torch.tensor([0] * shape.tokens + positions + starts + rest, dtype=torch.int32)
