"""Causal attention within rows that stand end to end."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from attrs import frozen
from torch import Tensor
from torch.autograd import Function

from .batch import Fields, Shape

CHUNK = 4
"""Rows that are padded to the same length."""


class FlashAttention:
    """Flash attention over rows of their own lengths, for a GPU: nothing is padded or known to the host."""

    def __init__(self, fields: Fields, shape: Shape) -> None:
        """Prepare for one batch.

        Args:
            fields: The batch.
            shape: Its shape.
        """
        self._starts = fields.starts
        self._longest = shape.longest

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see `PaddedAttention.__call__`."""
        rows = (self._starts, self._starts, self._longest, self._longest)
        out, *_ = torch.ops.aten._flash_attention_forward(
            q, k, v, *rows, 0.0, True, False, scale=1 / math.sqrt(q.shape[2])
        )
        return out.flatten(1)


class PaddedAttention:
    """Attention by matrix products over a few rows at a time; a CPU's quickest for short rows.

    A token sees itself and those before it in its row, so that padding, which stands behind, needs no mask.
    """

    def __init__(self, fields: Fields, shape: Shape) -> None:
        """Prepare for one batch.

        Args:
            fields: The batch; best with its rows in order of length.
            shape: Its shape.
        """
        starts = fields.starts.tolist()
        starts = [*starts[::CHUNK], *([starts[-1]] if (len(starts) - 1) % CHUNK else [])]
        self._sizes = [end - start for start, end in itertools.pairwise(starts)]
        ends = fields.starts[1:]
        self._chunks = [
            _Chunk.of(part, ends[i * CHUNK : (i + 1) * CHUNK] - starts[i])
            for i, part in enumerate(fields.positions.split(self._sizes))
            if len(part)
        ]
        self._sizes = [size for size in self._sizes if size]

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Args:
            q: `(tokens, heads, size)`.
            k: `(tokens, key heads, size)`; `heads` is a multiple of `key heads`.
            v: The same.

        Returns:
            `(tokens, heads * size)`.
        """
        parts = zip(q.split(self._sizes), k.split(self._sizes), v.split(self._sizes), strict=True)
        return torch.cat([_Attend.apply(*part, c) for part, c in zip(parts, self._chunks, strict=True)])


@frozen(eq=False)
class _Chunk:
    """A few rows.

    Attributes:
        rows: How many.
        longest: Tokens of the longest.
        slots: Where each token stands when rows are padded to the longest.
        bias: 0 where a token may look, else minus infinity, `(longest, longest)`.
    """

    rows: int
    longest: int
    slots: Tensor
    bias: Tensor

    @classmethod
    def of(cls, positions: Tensor, ends: Tensor) -> _Chunk:
        longest = int(positions.max()) + 1
        row = torch.searchsorted(
            ends, torch.arange(len(positions), dtype=ends.dtype, device=ends.device), right=True
        )
        bias = torch.full((longest, longest), -torch.inf, device=ends.device).triu_(1)
        return cls(len(ends), longest, row * longest + positions, bias)


class _Attend(Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, chunk: _Chunk) -> Tensor:
        heads, key_heads, scale = q.shape[1], k.shape[1], 1 / math.sqrt(q.shape[2])
        queries, keys, values = (_pad(each, chunk, key_heads) for each in (q, k, v))
        mask = chunk.bias.to(q.dtype).repeat(heads // key_heads, 1)
        weights = torch.baddbmm(mask, queries, keys.mT, alpha=scale).softmax(-1)
        ctx.save_for_backward(queries, keys, values, weights)
        ctx.chunk, ctx.key_heads, ctx.scale, ctx.heads = chunk, key_heads, scale, heads
        return _unpad(weights @ values, chunk, key_heads).flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        queries, keys, values, weights = ctx.saved_tensors
        chunk, key_heads = ctx.chunk, ctx.key_heads
        d_out = _pad(gradients[0].unflatten(1, (ctx.heads, -1)), chunk, key_heads)
        d_values = weights.mT @ d_out
        d_scores = torch.ops.aten._softmax_backward_data(d_out @ values.mT, weights, -1, weights.dtype).mul_(
            ctx.scale
        )
        d_queries, d_keys = d_scores @ keys, d_scores.mT @ queries
        return (*(_unpad(each, chunk, key_heads) for each in (d_queries, d_keys, d_values)), None)


def _pad(x: Tensor, chunk: _Chunk, key_heads: int) -> Tensor:
    """`(tokens, heads, size)` to `(rows * key heads, heads / key heads * longest, size)`."""
    rows, longest = chunk.rows, chunk.longest
    padded = x.new_zeros(rows * longest, *x.shape[1:]).index_copy_(0, chunk.slots, x)
    shares = x.shape[1] // key_heads
    by_head = padded.view(rows, longest, key_heads, shares, -1).permute(0, 2, 3, 1, 4)
    return by_head.reshape(rows * key_heads, shares * longest, -1)


def _unpad(x: Tensor, chunk: _Chunk, key_heads: int) -> Tensor:
    """The reverse of `_pad`."""
    rows, longest = chunk.rows, chunk.longest
    shares = x.shape[1] // longest
    by_token = x.view(rows, key_heads, shares, longest, -1).permute(0, 3, 1, 2, 4)
    return by_token.reshape(rows * longest, key_heads * shares, -1).index_select(0, chunk.slots)
