"""The adapter as one vector: PEFT's parameters are views of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .projection import Projection


class FlatAdapter:
    """All trained parameters end to end in one vector, and their gradients in another.

    PEFT's parameters become views, so that whatever reads or loads them sees and changes the vector.

    Attributes:
        values: The vector, as a parameter for an optimizer; its `grad` is always there.
    """

    def __init__(self, projections: Sequence[Projection], dtype: torch.dtype) -> None:
        """Move the projections' parameters into one vector, and let them read it.

        Args:
            projections: Whose adapters they are.
            dtype: What the forward pass computes in.
        """
        self._projections = projections
        parameters = [parameter for each in projections for parameter in each.parameters]
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        self.values = torch.nn.Parameter(flat)
        self.values.grad = torch.zeros_like(flat)
        self._parameters = parameters
        self.attach()
        self._computed = flat if dtype == flat.dtype else flat.to(dtype)
        shapes = [shape for each in projections for shape in each.leaf_shapes]
        parts = self._computed.split([torch.Size(shape).numel() for shape in shapes])
        self._leaves = [
            part.view(shape).detach().requires_grad_() for part, shape in zip(parts, shapes, strict=True)
        ]
        leaves = iter(self._leaves)
        for projection in projections:
            projection.read([next(leaves) for _ in projection.leaf_shapes])

    def attach(self) -> None:
        """Make PEFT's parameters views of the vector, which moving or wrapping the model undoes."""
        parts = self.values.detach().split([parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.data = part.view(parameter.shape)

    def refresh(self) -> None:
        """Bring the changed values to what the forward pass reads."""
        if self._computed.dtype != self.values.dtype:
            self._computed.copy_(self.values.detach())
        for projection in self._projections:
            projection.refresh()

    def accumulate(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss to the vector's."""
        gradients = torch.autograd.grad(loss, self._leaves)
        assert self.values.grad is not None
        self.values.grad.add_(torch.cat([gradient.reshape(-1) for gradient in gradients]))
