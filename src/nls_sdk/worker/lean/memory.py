"""What a training will hold on the GPU, counted before it starts."""

from __future__ import annotations

from typing import Any

import torch
from attrs import frozen

from ...errors import RunFailed
from .batch import Shape
from .loss import CHUNK
from .means import Means

_ADAPTER_BYTES = 24
"""Of each trained parameter: value, gradient and two moments in float32, and what computing them needs."""

_LOGIT_BYTES = 8
"""Of each logit: float32 logits and probabilities, beside their gradient in the model's dtype."""

MOST_TOKENS = 32768
"""Tokens of one batch, which more would not make faster."""

SMALLER = (
    "Where the machine is too small, gradient_checkpointing = true, under another name, trains in less "
    "memory and more time."
)
"""What is left to do where the lean step does not fit."""


@frozen
class Memory:
    """Bytes on the GPU, at the moment when they are most.

    Attributes:
        weights: The frozen model.
        adapter: The adapter, its gradient, and the optimizer's state.
        activations: What the forward pass keeps for the backward pass.
        logits: What scoring a part of the answers needs.
    """

    weights: int
    adapter: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.adapter + self.activations + self.logits

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "adapter": self.adapter,
            "activations": self.activations,
            "logits": self.logits,
        }
        told = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in parts.items())
        return f"{self.total / 1e9:.1f} GB ({told})"


def predict(
    config: Any, *, weights: int, trained: int, shape: Shape, means: Means, dtype: torch.dtype
) -> Memory:
    """Count what a training will hold.

    Args:
        config: The model's.
        weights: Bytes of the frozen model.
        trained: Parameters of the adapter.
        shape: Its largest batch.
        means: What the step uses.
        dtype: What the model computes in.
    """
    return Memory(
        weights,
        _ADAPTER_BYTES * trained,
        token_bytes(config, means, dtype) * shape.tokens + key_bytes(config, means, dtype) * shape.keys,
        (_LOGIT_BYTES + dtype.itemsize) * config.vocab_size * min(shape.answers, CHUNK),
    )


def token_bytes(config: Any, means: Means, dtype: torch.dtype) -> int:
    """What the forward pass keeps of one token.

    In order: the layer's input, normed; queries, keys and values, and rotated queries; attention's output,
    twice; their sum, and normed; gate and up; their product, and where nothing is compiled the activated
    gate. Compiling makes some values anew in place of keeping them.
    """
    size, inner = config.hidden_size, config.intermediate_size
    queries, keys = _heads(config)
    attention = (queries + 2 * keys) + queries + 2 * queries
    kept = 4 * size + attention + (3 if means.compiled else 4) * inner
    return dtype.itemsize * config.num_hidden_layers * kept


def key_bytes(config: Any, means: Means, dtype: torch.dtype) -> int:
    """What it keeps of each token that is looked at: key and value, which flash attention has repeated."""
    queries, keys = _heads(config)
    return dtype.itemsize * config.num_hidden_layers * 2 * (queries if means.flash else keys)


def most_tokens(room: int, each: int, *, longest: int) -> int:
    """Tokens that one batch may hold.

    Args:
        room: Free bytes.
        each: Bytes of a token.
        longest: Tokens of the longest example.

    Raises:
        RunFailed: There is no room for that; the message has the numbers.
    """
    fitting = max(0, room // each)
    if fitting < longest:
        raise RunFailed(
            f"The GPU has {max(0, room) / 1e9:.1f} GB for a batch, and the longest example alone, of "
            f"{longest} tokens, needs {longest * each / 1e9:.1f}.",
            hint=f"Without examples longer than {fitting} tokens (max_length) it fits. {SMALLER}",
        )
    return min(MOST_TOKENS, fitting)


def _heads(config: Any) -> tuple[int, int]:
    """Numbers of all queries, and of all keys, of one token."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_attention_heads * size, config.num_key_value_heads * size
