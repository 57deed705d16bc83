"""CUDA graphs: what a GPU does in a step, recorded once and replayed in one launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ..data import Row
from .batch import Batch, Fields, Shape, pack

Run: TypeAlias = Callable[[Fields, Shape], Tensor]
"""Adds a batch's gradients to the adapter's and returns its loss."""

_WARM_UPS = 2


class Recorder:
    """Records steps of several shapes, which share their memory: only one runs at a time."""

    def __init__(self, run: Run, gradient: Tensor) -> None:
        """Make a recorder.

        Args:
            run: What to record.
            gradient: What it adds to, and what recording must leave as it was.
        """
        self._run = run
        self._gradient = gradient
        self._pool = torch.cuda.graph_pool_handle()
        # One stream for all: memory is only used again on the stream that had it before.
        self._stream = torch.cuda.Stream(gradient.device)
        self._recorded: dict[Shape, _Recorded] = {}

    def record(self, shape: Shape) -> None:
        """Prepare for batches of a shape, unless that is done."""
        if shape in self._recorded:
            return
        before = self._gradient.clone()
        vector = _filling(shape).to(self._gradient.device)
        fields = Fields.of(vector, shape)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                self._run(fields, shape)
        torch.cuda.current_stream().wait_stream(self._stream)
        # What the warm-up held is of no use to the recording, which allocates in a pool of its own.
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            loss = self._run(fields, shape)
        self._recorded[shape] = _Recorded(vector, graph, loss)
        self._gradient.copy_(before)

    def __call__(self, batch: Batch) -> Tensor:
        """Run a batch. Returns its loss, which the next batch leaves alone."""
        self.record(batch.shape)
        return self._recorded[batch.shape](batch)


class _Recorded:
    def __init__(self, vector: Tensor, graph: torch.cuda.CUDAGraph, loss: Tensor) -> None:
        self._vector, self._graph, self._loss = vector, graph, loss

    def __call__(self, batch: Batch) -> Tensor:
        self._vector.copy_(batch.vector.pin_memory(), non_blocking=True)
        self._graph.replay()
        return self._loss.clone()


def _filling(shape: Shape) -> Tensor:
    """A batch of the shape that has no answer: rows of the greatest length, as far as there is room."""
    room = shape.tokens - shape.shared
    longest = max(1, min(shape.longest, room // shape.rows))
    rows = [Row([0] * (shape.shared + longest), shape.shared + longest)] * min(shape.rows, room // longest)
    return pack(rows, shape, step_answers=1).vector
