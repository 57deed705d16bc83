"""Linear layers that read the same input, with their LoRA adapters, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class Projection:
    """`y = x W' + scale * (x A') B'` for several layers at once, outputs side by side.

    The frozen weights are stored once: those of the layers become views of the joint matrix.

    Attributes:
        widths: How many outputs each layer has.
        parameters: The adapters' parameters: every A, then every B.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        """Join layers.

        Args:
            layers: `torch.nn.Linear`, or PEFT's LoRA layer around one.
        """
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        self.widths = [base.out_features for base in bases]
        self._weight = torch.cat([base.weight.detach() for base in bases])
        for base, part in zip(bases, self._weight.split(self.widths), strict=True):
            base.weight.data = part
        self._bias = _joint_bias(bases)
        adapted = [(i, layer) for i, layer in enumerate(layers) if hasattr(layer, "lora_A")]
        ends = [sum(self.widths[: i + 1]) for i in range(len(layers))]
        self._columns = [(ends[i] - self.widths[i], ends[i]) for i, _ in adapted]
        self._scales = [float(layer.scaling["default"]) for _, layer in adapted]
        self._ranks = [layer.r["default"] for _, layer in adapted]
        self.parameters = [
            *(layer.lora_A["default"].weight for _, layer in adapted),
            *(layer.lora_B["default"].weight for _, layer in adapted),
        ]
        self._leaves: tuple[Tensor, ...] = ()

    def read(self, leaves: Iterator[Tensor]) -> None:
        """Take what the forward pass reads in place of `parameters`, in their order."""
        self._leaves = tuple(next(leaves) for _ in self.parameters)

    def __call__(self, x: Tensor) -> Tensor:
        """Project `(tokens, inputs)` to `(tokens, sum(widths))`."""
        if not self._leaves:
            return torch.nn.functional.linear(x, self._weight, self._bias)
        return _Adapted.apply(x, self._weight, self._bias, self._columns, self._scales, *self._leaves)


class _Adapted(Function):
    """The projection with its own backward pass: frozen weights get no gradient, and nothing is copied."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        columns: list[tuple[int, int]],
        scales: list[float],
        *leaves: Tensor,
    ) -> Tensor:
        downs, ups = leaves[: len(columns)], leaves[len(columns) :]
        down = downs[0] if len(downs) == 1 else torch.cat(downs)
        y = x @ weight.t() if bias is None else torch.addmm(bias, x, weight.t())
        narrow = x @ down.t()
        ranks = [each.shape[0] for each in downs]
        for (start, end), part, up, scale in zip(columns, narrow.split(ranks, 1), ups, scales, strict=True):
            y[:, start:end].addmm_(part, up.t(), alpha=scale)
        ctx.save_for_backward(x, weight, down, narrow, *ups)
        ctx.columns, ctx.scales, ctx.ranks = columns, scales, ranks
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (dy,) = gradients
        x, weight, down, narrow, *ups = ctx.saved_tensors
        d_narrow = torch.empty_like(narrow)
        d_ups = []
        parts = zip(
            ctx.columns,
            d_narrow.split(ctx.ranks, 1),
            narrow.split(ctx.ranks, 1),
            ups,
            ctx.scales,
            strict=True,
        )
        for (start, end), d_part, part, up, scale in parts:
            d_wide = dy[:, start:end]
            d_part.copy_(d_wide @ up).mul_(scale)
            d_ups.append((d_wide.t() @ part).mul_(scale))
        d_down = d_narrow.t() @ x
        dx = torch.addmm(dy @ weight, d_narrow, down) if ctx.needs_input_grad[0] else None
        return (dx, None, None, None, None, *d_down.split(ctx.ranks), *d_ups)


def _joint_bias(bases: Sequence[Any]) -> Tensor | None:
    if all(base.bias is None for base in bases):
        return None
    return torch.cat(
        [
            base.weight.new_zeros(base.out_features) if base.bias is None else base.bias.detach()
            for base in bases
        ]
    )
