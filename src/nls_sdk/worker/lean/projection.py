"""Linear layers that read the same input, with their LoRA adapters, as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from attrs import frozen
from torch import Tensor
from torch.autograd import Function


@frozen
class Part:
    """One adapted layer of a projection.

    Attributes:
        outputs: Which of the projection's outputs are its own.
        ranks: Which of the adapters' inner dimensions are its own.
        scale: What its adapter's output is multiplied with.
    """

    outputs: slice
    ranks: slice
    scale: float


class Projection:
    """`y = x W' + scale * (x A') B'` for several layers at once, outputs side by side.

    The frozen weights are stored once: those of the layers become views of the joint matrix.

    Attributes:
        parameters: The adapters' parameters: every A, then every B.
        leaf_shapes: What a forward pass reads of them: all A as one matrix, then every B.
    """

    def __init__(self, layers: Sequence[Any], *, joined: bool) -> None:
        """Join layers.

        Args:
            layers: `torch.nn.Linear`, or PEFT's LoRA layer around one.
            joined: Keep B beside the frozen weights, as more columns of the same matrix: one large product
                in place of several, of which small ones cost a GPU as much as large ones.
        """
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        ends = list(accumulate(base.out_features for base in bases))
        adapted = [(i, layer) for i, layer in enumerate(layers) if hasattr(layer, "lora_A")]
        ranks = list(accumulate((layer.r["default"] for _, layer in adapted), initial=0))
        self._parts = [
            Part(
                slice(ends[i] - bases[i].out_features, ends[i]),
                slice(*ranks[n : n + 2]),
                layer.scaling["default"],
            )
            for n, (i, layer) in enumerate(adapted)
        ]
        self.parameters = [
            *(layer.lora_A["default"].weight for _, layer in adapted),
            *(layer.lora_B["default"].weight for _, layer in adapted),
        ]
        inputs = bases[0].in_features
        self.leaf_shapes = [
            *([(ranks[-1], inputs)] if adapted else []),
            *(tuple(layer.lora_B["default"].weight.shape) for _, layer in adapted),
        ]
        self._joined = joined and bool(adapted)
        columns = ranks[-1] if self._joined else 0
        self._matrix = bases[0].weight.new_zeros(ends[-1], inputs + columns)
        self._frozen = self._matrix[:, :inputs]
        for base, end in zip(bases, ends, strict=True):
            part = self._frozen[end - base.out_features : end]
            part.copy_(base.weight.detach())
            base.weight.data = part
        self._bias = _joint_bias(bases)
        self._leaves: Sequence[Tensor] = ()

    def read(self, leaves: Sequence[Tensor]) -> None:
        """Take what the forward pass reads, in the shapes of `leaf_shapes`."""
        self._leaves = leaves
        self.refresh()

    def refresh(self) -> None:
        """Follow the leaves' new values."""
        if self._joined:
            inputs = self._frozen.shape[1]
            for part, up in zip(self._parts, self._leaves[1:], strict=True):
                columns = slice(inputs + part.ranks.start, inputs + part.ranks.stop)
                torch.mul(up.detach(), part.scale, out=self._matrix[part.outputs, columns])

    def __call__(self, x: Tensor) -> Tensor:
        """Project `(tokens, inputs)` to `(tokens, outputs)`."""
        if not self._leaves:
            return torch.nn.functional.linear(x, self._frozen, self._bias)
        kind = _Joined if self._joined else _Apart
        return kind.apply(x, self._matrix, self._bias, self._parts, *self._leaves)


class _Apart(Function):
    """The projection and its adapters, each on its own."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, matrix: Tensor, bias: Tensor | None, parts: list[Part], *leaves: Tensor
    ) -> Tensor:
        down, *ups = leaves
        y = x @ matrix.t() if bias is None else torch.addmm(bias, x, matrix.t())
        narrow = x @ down.t()
        for part, up in zip(parts, ups, strict=True):
            y[:, part.outputs].addmm_(narrow[:, part.ranks], up.t(), alpha=part.scale)
        ctx.save_for_backward(x, matrix, down, narrow, *ups)
        ctx.parts = parts
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (dy,) = gradients
        x, matrix, down, narrow, *ups = ctx.saved_tensors
        d_narrow = torch.empty_like(narrow)
        d_ups = []
        for part, up in zip(ctx.parts, ups, strict=True):
            own = dy[:, part.outputs]
            d_narrow[:, part.ranks] = (own @ up).mul_(part.scale)
            d_ups.append((own.t() @ narrow[:, part.ranks]).mul_(part.scale))
        dx = torch.addmm(dy @ matrix, d_narrow, down) if ctx.needs_input_grad[0] else None
        return (dx, None, None, None, d_narrow.t() @ x, *d_ups)


class _Joined(Function):
    """The projection and its adapters in one product: `[x, x A'] [W, scale * B]'`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, matrix: Tensor, bias: Tensor | None, parts: list[Part], *leaves: Tensor
    ) -> Tensor:
        down = leaves[0]
        wide = torch.cat([x, x @ down.t()], 1)
        ctx.save_for_backward(wide, matrix, down)
        ctx.parts = parts
        return wide @ matrix.t() if bias is None else torch.addmm(bias, wide, matrix.t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (dy,) = gradients
        wide, matrix, down = ctx.saved_tensors
        inputs = down.shape[1]
        d_wide = dy @ matrix
        d_narrow = d_wide[:, inputs:]
        d_up = dy.t() @ wide[:, inputs:]
        d_ups = [d_up[part.outputs, part.ranks] * part.scale for part in ctx.parts]
        # Not addmm: that copies the strided half first, and a sum is compiled into what follows it.
        dx = d_wide[:, :inputs] + d_narrow @ down if ctx.needs_input_grad[0] else None
        return (dx, None, None, None, d_narrow.t() @ wide[:, :inputs], *d_ups)


def _joint_bias(bases: Sequence[Any]) -> Tensor | None:
    if all(base.bias is None for base in bases):
        return None
    return torch.cat(
        [
            base.weight.new_zeros(base.out_features) if base.bias is None else base.bias.detach()
            for base in bases
        ]
    )
