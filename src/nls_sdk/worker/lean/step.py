"""One batch, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .adapter import FlatAdapter
from .attention import FlashAttention, PaddedAttention
from .batch import Batch, Fields, Shape
from .compiling import compile_any_length
from .decoder import Decoder
from .graphs import Recorder
from .loss import Scoring, answer_loss, score
from .means import Means


class LeanStep:
    """Turns a batch into gradients of the adapter.

    Attributes:
        adapter: The adapter, flat.
        means: What it uses.
    """

    def __init__(self, model: Any, means: Means, *, backend: str = "inductor") -> None:
        """Prepare a model that `decoder.unfit` finds fit.

        Args:
            model: transformers' model with PEFT's layers in it; its adapter's parameters become views.
            means: What to use.
            backend: What compiles, as `torch.compile` calls it.
        """
        self.means = means
        self._decoder = Decoder(model, joined=means.joined, repeated=means.flash)
        self._device = model.device
        self.adapter = FlatAdapter(list(self._decoder.projections()), model.dtype)
        self._score: Scoring = score
        if means.compiled:
            self._decoder.compile(backend=backend)
            self._score = compile_any_length(score, backend=backend)
        self._attention = FlashAttention if means.flash else PaddedAttention
        assert self.adapter.values.grad is not None
        self._recorder = Recorder(self._run, self.adapter.values.grad) if means.graphs else None

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """Do now, for all shapes, what the first batch of each would wait for."""
        if self._recorder is not None:
            self._recorder.record(shapes)

    def __call__(self, batch: Batch) -> Tensor:
        """Add the batch's gradients to the adapter's. Returns its share of the step's loss, detached."""
        if self._recorder is not None:
            return self._recorder(batch)
        return self._run(Fields.of(batch.vector.to(self._device), batch.shape), batch.shape)

    def _run(self, fields: Fields, shape: Shape) -> Tensor:
        hidden = self._decoder(fields, shape, self._attention(fields, shape))
        loss = answer_loss(hidden, self._decoder.head, fields.labels, fields.answers, self._score)
        self.adapter.accumulate(loss)
        return loss.detach()
