"""The decoder's small operations, each with a backward pass of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """`weight * x / sqrt(mean(x^2) + epsilon)` over the last dimension; the weight is frozen."""
    return _RmsNorm.apply(x, weight, epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding, in halves as transformers has it.

    Args:
        x: Heads, `(tokens, heads, size)`.
        cos: `(tokens, 1, size / 2)`.
        sin: The same.
    """
    return _Rotate.apply(x, cos, sin)


def spread(x: Tensor, keys: Tensor, own: Tensor, copies: Tensor) -> Tensor:
    """Put what rows share before each of them.

    Args:
        x: Of each token; what the rows share comes first.
        keys: Which of them stands where, `(keys,)`.
        own: Where each stands among them as itself, `(tokens,)`.
        copies: Where what is shared stands before each row, `(rows, shared)`.

    Returns:
        The same for each of `keys`.
    """
    return _Spread.apply(x, keys, own, copies)


class _RmsNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        inverse = inverse.add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (wide * inverse).to(x.dtype) * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        x, weight, inverse = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return None, None, None
        wide = x.float()
        d = (gradients[0] * weight).float()
        along = (d * wide).sum(-1, keepdim=True).mul_(inverse.pow(3)).div_(-x.shape[-1])
        return (d * inverse).addcmul_(wide, along).to(x.dtype), None, None


class _Rotate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(gradients[0], cos, sin, -1), None, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keys: Tensor, own: Tensor, copies: Tensor) -> Tensor:
        ctx.save_for_backward(own, copies)
        return x.index_select(0, keys)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        own, copies = ctx.saved_tensors
        (d,) = gradients
        shared = d.index_select(0, copies.flatten()).unflatten(0, copies.shape).sum(0, dtype=torch.float32)
        d_own = d.index_select(0, own)
        d_own[: copies.shape[1]] += shared.to(d.dtype)
        return d_own, None, None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, direction: int) -> Tensor:
    left, right = x.chunk(2, -1)
    return torch.cat(
        [
            torch.addcmul(left * cos, right, sin, value=-direction),
            torch.addcmul(right * cos, left, sin, value=direction),
        ],
        -1,
    )
