"""CUDA graphs: what a GPU does in a step, recorded once and replayed in one launch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..data import Row
from .batch import Batch, Fields, Shape, pack

Run: TypeAlias = Callable[[Fields, Shape], Tensor]
"""Adds a batch's gradients to the adapter's and returns its loss."""

_WARM_UPS = 2


@contextmanager
def capture(**options: Any) -> Iterator[torch.cuda.CUDAGraph]:
    """Record what is done on this thread's stream, in place of doing it.

    Other threads may go on, as those that watch over processes which share a training do.

    Args:
        options: Those of `torch.cuda.graph`.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local", **options):
        yield graph


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

    def record(self, shapes: Iterable[Shape]) -> None:
        """Prepare for batches of the shapes, but for those that are prepared.

        All are warmed up before the first is recorded: the recordings have a pool of their own, and what
        warms up beside a full one needs the memory of a second batch.
        """
        new = sorted(set(shapes) - set(self._recorded), key=lambda shape: -shape.tokens)
        before = self._gradient.clone()
        vectors = {shape: _filling(shape).to(self._gradient.device) for shape in new}
        torch.cuda.empty_cache()  # What another stream has freed serves none of this one's batches.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for shape, vector in vectors.items():
                for _ in range(_WARM_UPS):
                    self._run(Fields.of(vector, shape), shape)
        torch.cuda.current_stream().wait_stream(self._stream)
        for shape, vector in vectors.items():
            with capture(pool=self._pool, stream=self._stream) as graph:
                loss = self._run(Fields.of(vector, shape), shape)
            self._recorded[shape] = _Recorded(vector, graph, loss)
        self._gradient.copy_(before)

    def __call__(self, batch: Batch) -> Tensor:
        """Run a batch. Returns its loss, which the next batch leaves alone."""
        if batch.shape not in self._recorded:
            self.record([batch.shape])
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
