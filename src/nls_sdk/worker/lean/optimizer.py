"""What ends an optimizer step: clip, update, and clear, all on the flat adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .adapter import FlatAdapter


class StepEnd(torch.optim.AdamW):
    """AdamW on the flat adapter whose `step` also clips the gradient before, and clears it after."""

    def __init__(self, adapter: FlatAdapter, *, max_norm: float, **options: Any) -> None:
        """Make an optimizer.

        Args:
            adapter: What is trained.
            max_norm: The norm that the gradient is clipped to.
            options: Those of `torch.optim.AdamW`.
        """
        super().__init__([adapter.values], fused=True, **options)
        self._adapter = adapter
        self._max_norm = max_norm

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Do what ends a step."""
        values = self._adapter.values
        torch.nn.utils.clip_grad_norm_([values], self._max_norm)
        super().step()
        self._adapter.refresh()
        assert values.grad is not None
        values.grad.zero_()
