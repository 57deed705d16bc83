"""What a training will hold on the GPU, counted before it starts."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from .batch import Shape
from .loss import CHUNK

_ADAPTER_BYTES = 24
"""Of each trained parameter: value, gradient and two moments in float32, and what computing them needs."""

_LOGIT_BYTES = 10
"""Of each logit: float32 logits and probabilities, and their gradient in bfloat16."""


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


def predict(config: Any, *, weights: int, trained: int, shape: Shape, compiled: bool) -> Memory:
    """Count what a training will hold.

    Args:
        config: The model's.
        weights: Bytes of the frozen model.
        trained: Parameters of the adapter.
        shape: Its largest batch.
        compiled: Whether layers are compiled, which makes some values anew in place of keeping them.
    """
    return Memory(
        weights,
        _ADAPTER_BYTES * trained,
        token_bytes(config, compiled=compiled) * shape.tokens,
        _LOGIT_BYTES * config.vocab_size * min(shape.answers, CHUNK),
    )


def token_bytes(config: Any, *, compiled: bool) -> int:
    """What the forward pass keeps of one token, in 16-bit numbers.

    In order: the layer's input, normed; queries, keys and values, and rotated; attention's output, twice;
    their sum, and normed; gate and up; their product, and where nothing is compiled the activated gate.
    """
    size, inner = config.hidden_size, config.intermediate_size
    head = getattr(config, "head_dim", None) or size // config.num_attention_heads
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    attention = (queries + 2 * keys) + (queries + keys) + 2 * queries
    kept = 4 * size + attention + (3 if compiled else 4) * inner
    return 2 * config.num_hidden_layers * kept
