"""One micro-batch, forward and backward."""

from __future__ import annotations

from typing import Any

import torch

from .adapter import FlatAdapter
from .attention import PaddedAttention
from .batch import Batch
from .decoder import Decoder
from .loss import answer_loss


class LeanStep:
    """Turns a batch into gradients of the adapter.

    Attributes:
        adapter: The adapter, flat.
    """

    def __init__(self, model: Any) -> None:
        """Prepare a model that `decoder.unfit` finds fit.

        Args:
            model: transformers' model with PEFT's layers in it; its adapter's parameters become views.
        """
        self._decoder = Decoder(model)
        projections = list(self._decoder.projections())
        parameters = [parameter for each in projections for parameter in each.parameters]
        self.adapter = FlatAdapter(parameters, model.dtype)
        leaves = iter(self.adapter.leaves)
        for projection in projections:
            projection.read(leaves)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Add the batch's gradients to the adapter's. Returns its share of the step's loss, detached."""
        fields = batch.fields
        hidden = self._decoder(fields, PaddedAttention(fields, batch.shape))
        loss = answer_loss(hidden, self._decoder.head, fields.labels, fields.answers)
        self.adapter.accumulate(loss)
        return loss.detach()
