"""The adapter as one vector: PEFT's parameters are views of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch


class FlatAdapter:
    """All trained parameters end to end in one vector, and their gradients in another.

    PEFT's parameters become views, so that whatever reads or loads them sees and changes the vector.

    Attributes:
        values: The vector, as a parameter for an optimizer; its `grad` is always there.
        leaves: What a forward pass reads, in the order given, in the dtype of computation.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], dtype: torch.dtype) -> None:
        """Move the parameters into one vector.

        Args:
            parameters: PEFT's, in the order in which they shall stand.
            dtype: What the forward pass computes in.
        """
        sizes = [parameter.numel() for parameter in parameters]
        self._ends = list(accumulate(sizes))
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        self.values = torch.nn.Parameter(flat)
        self.values.grad = torch.zeros_like(flat)
        for parameter, part in zip(parameters, flat.split(sizes), strict=True):
            parameter.data = part.view(parameter.shape)
        self._computed = flat if dtype == flat.dtype else flat.to(dtype)
        parts = self._computed.split(sizes)
        self.leaves = [
            part.view(parameter.shape).detach().requires_grad_()
            for parameter, part in zip(parameters, parts, strict=True)
        ]

    def refresh(self) -> None:
        """Bring the changed values to what the forward pass reads."""
        if self._computed.dtype != self.values.dtype:
            self._computed.copy_(self.values.detach())

    def accumulate(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss to the vector's."""
        gradients = torch.autograd.grad(loss, self.leaves)
        assert self.values.grad is not None
        self.values.grad.add_(torch.cat([gradient.reshape(-1) for gradient in gradients]))
