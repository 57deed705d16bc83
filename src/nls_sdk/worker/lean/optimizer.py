"""What ends an optimizer step: clip, update, and clear, all on the flat adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .adapter import FlatAdapter
from .graphs import capture


class StepEnd(torch.optim.AdamW):
    """AdamW on the flat adapter whose `step` also clips the gradient before, and clears it after."""

    def __init__(self, adapter: FlatAdapter, *, max_norm: float, recorded: bool, **options: Any) -> None:
        """Make an optimizer.

        Args:
            adapter: What is trained.
            max_norm: The norm that the gradient is clipped to.
            recorded: Record the step as a CUDA graph, and replay it.
            options: Those of `torch.optim.AdamW`.
        """
        super().__init__([adapter.values], fused=True, capturable=recorded, **options)
        self._adapter = adapter
        self._max_norm = max_norm
        self._recorded = recorded
        self._rate = torch.zeros((), device=adapter.values.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._has_state = False

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]  # overloaded
        """Do what ends a step. Several processes add up their gradients first."""
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(self._adapter.values.grad)
        if not self._recorded:
            return self._end()
        (group,) = self.param_groups
        rate = group["lr"]
        self._rate.fill_(rate)
        group["lr"] = self._rate
        if self._graph is not None:
            self._graph.replay()
        elif self._has_state:
            with capture() as self._graph:
                self._end()
            self._graph.replay()
        else:
            self._end()
            self._has_state = True
        group["lr"] = rate
        return None

    def _end(self) -> None:
        values = self._adapter.values
        torch.nn.utils.clip_grad_norm_([values], self._max_norm)
        super().step()
        self._adapter.refresh()
        assert values.grad is not None
        values.grad.zero_()
