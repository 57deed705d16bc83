"""Causal attention within rows that stand end to end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
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
        starts, key_starts = fields.starts, fields.key_starts(shape)
        self._rows = (starts, key_starts, shape.longest, shape.longest + shape.shared)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see `PaddedAttention.__call__`."""
        out, *_ = torch.ops.aten._flash_attention_forward(
            q, k, v, *self._rows, 0.0, True, False, scale=1 / math.sqrt(q.shape[2])
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
        starts, key_starts = fields.starts.tolist(), fields.key_starts(shape).tolist()
        # What the rows share is a chunk of its own: nothing is shared before it.
        first = bool(shape.shared)
        edges = [*([0] if first else []), *range(first, shape.segments, CHUNK), shape.segments]
        chunks = [
            _Chunk.of(starts[i : j + 1], key_starts[i : j + 1], fields.tokens.device)
            for i, j in itertools.pairwise(edges)
            if starts[i] < starts[j]
        ]
        self._chunks = chunks
        self._sizes = [len(chunk.queries) for chunk in chunks]
        self._key_sizes = [len(chunk.keys) for chunk in chunks]

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Args:
            q: `(tokens, heads, size)`.
            k: `(keys, key heads, size)`; `heads` is a multiple of `key heads`. Where rows share nothing, the
                keys are the tokens; see `Fields.keys`.
            v: The same.

        Returns:
            `(tokens, heads * size)`.
        """
        parts = zip(
            _split(q, self._sizes),
            _split(k, self._key_sizes),
            _split(v, self._key_sizes),
            self._chunks,
            strict=True,
        )
        return torch.cat([_Attend.apply(*part) for part in parts])


@frozen(eq=False)
class _Chunk:
    """A few rows, padded to the longest of them.

    Attributes:
        rows: How many.
        queries: Where each token stands among the padded ones.
        keys: The same of what is looked at.
        bias: 0 where a token may look, else minus infinity, `(longest, longest of the keys)`.
    """

    rows: int
    queries: Tensor
    keys: Tensor
    bias: Tensor

    @classmethod
    def of(cls, starts: list[int], key_starts: list[int], device: torch.device) -> _Chunk:
        queries, longest = _slots(starts, device)
        keys, longest_keys = _slots(key_starts, device)
        bias = torch.full((longest, longest_keys), -torch.inf, device=device)
        return cls(len(starts) - 1, queries, keys, bias.triu_(longest_keys - longest + 1))

    @property
    def longest(self) -> int:
        """Tokens of its longest row."""
        return self.bias.shape[0]

    @property
    def longest_keys(self) -> int:
        """What the longest row looks at."""
        return self.bias.shape[1]


def _split(x: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """Parts of the sizes, without what is left: the keys of rows that have no tokens."""
    return x.split([*sizes, len(x) - sum(sizes)])[:-1]


def _slots(starts: list[int], device: torch.device) -> tuple[Tensor, int]:
    """Where tokens stand when rows are padded to the longest, and how long that is."""
    lengths = [end - start for start, end in itertools.pairwise(starts)]
    longest = max(lengths)
    slots = [row * longest + place for row, length in enumerate(lengths) for place in range(length)]
    return torch.tensor(slots, device=device), longest


class _Attend(Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, chunk: _Chunk) -> Tensor:
        heads, key_heads, scale = q.shape[1], k.shape[1], 1 / math.sqrt(q.shape[2])
        queries = _pad(q, chunk.queries, chunk.rows, chunk.longest, key_heads)
        keys, values = (_pad(each, chunk.keys, chunk.rows, chunk.longest_keys, key_heads) for each in (k, v))
        mask = chunk.bias.to(q.dtype).repeat(heads // key_heads, 1)
        weights = torch.baddbmm(mask, queries, keys.mT, alpha=scale).softmax(-1)
        ctx.save_for_backward(queries, keys, values, weights)
        ctx.chunk, ctx.key_heads, ctx.scale, ctx.heads = chunk, key_heads, scale, heads
        return _unpad(weights @ values, chunk.queries, chunk.longest, key_heads).flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        queries, keys, values, weights = ctx.saved_tensors
        chunk, key_heads = ctx.chunk, ctx.key_heads
        d_heads = gradients[0].unflatten(1, (ctx.heads, -1))
        d_out = _pad(d_heads, chunk.queries, chunk.rows, chunk.longest, key_heads)
        d_values = weights.mT @ d_out
        d_scores = torch.ops.aten._softmax_backward_data(d_out @ values.mT, weights, -1, weights.dtype).mul_(
            ctx.scale
        )
        d_queries, d_keys = d_scores @ keys, d_scores.mT @ queries
        return (
            _unpad(d_queries, chunk.queries, chunk.longest, key_heads),
            *(_unpad(each, chunk.keys, chunk.longest_keys, key_heads) for each in (d_keys, d_values)),
            None,
        )


def _pad(x: Tensor, slots: Tensor, rows: int, longest: int, key_heads: int) -> Tensor:
    """`(tokens, heads, size)` to `(rows * key heads, heads / key heads * longest, size)`."""
    padded = x.new_zeros(rows * longest, *x.shape[1:]).index_copy_(0, slots, x)
    shares = x.shape[1] // key_heads
    by_head = padded.view(rows, longest, key_heads, shares, -1).permute(0, 2, 3, 1, 4)
    return by_head.reshape(rows * key_heads, shares * longest, -1)


def _unpad(x: Tensor, slots: Tensor, longest: int, key_heads: int) -> Tensor:
    """The reverse of `_pad`."""
    shares = x.shape[1] // longest
    by_token = x.view(-1, key_heads, shares, longest, x.shape[2]).permute(0, 3, 1, 2, 4)
    return by_token.reshape(-1, key_heads * shares, x.shape[2]).index_select(0, slots)
