"""The forward pass of Llama's family of decoders over rows that stand end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .batch import Fields, Shape
from .compiling import compile_any_length
from .functions import rms_norm, rotate, spread
from .projection import Projection

Attention: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes queries, keys and values; see `PaddedAttention.__call__`."""

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""What transformers calls the architectures whose layers are these."""


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The layers that can have an adapter."""


class Layer:
    """One decoder layer over joint projections."""

    def __init__(self, layer: Any, config: Any, *, joined: bool, repeated: bool) -> None:
        """Read the weights out of transformers' layer, whose own become views of the joint ones."""
        attention, mlp = layer.self_attn, layer.mlp
        self._size = attention.head_dim
        self._heads = config.num_attention_heads
        self._key_heads = config.num_key_value_heads
        self._repeats = self._heads // self._key_heads if repeated else 1
        self._epsilon = config.rms_norm_eps
        self._in_norm = layer.input_layernorm.weight.detach()
        self._mid_norm = layer.post_attention_layernorm.weight.detach()
        self._head_norm = _head_norm(attention, self._heads, self._key_heads)
        self.qkv = Projection([attention.q_proj, attention.k_proj, attention.v_proj], joined=joined)
        self.out = Projection([attention.o_proj], joined=joined)
        self.gate_up = Projection([mlp.gate_proj, mlp.up_proj], joined=joined)
        self.down = Projection([mlp.down_proj], joined=joined)

    def projections(self) -> Iterator[Projection]:
        """In the order in which they are used."""
        return iter((self.qkv, self.out, self.gate_up, self.down))

    def before(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, *sharing: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of `(tokens, size)`, each `(tokens or keys, heads, head size)`.

        Without repetition, keys and values have fewer heads than queries where the model has.

        Args:
            hidden: What enters the layer.
            cos: See `rotate`.
            sin: See `rotate`.
            sharing: See `Fields.sharing`.
        """
        turned = self._heads + self._key_heads
        qkv = self.qkv(rms_norm(hidden, self._in_norm, self._epsilon)).unflatten(1, (-1, self._size))
        qk, v = qkv.split([turned, self._key_heads], 1)
        if self._head_norm is not None:
            qk = rms_norm(qk, self._head_norm, self._epsilon)
        q, k = rotate(qk, cos, sin).split([self._heads, self._key_heads], 1)
        if sharing:
            k, v = spread(k, *sharing), spread(v, *sharing)
        if self._repeats > 1:
            # Views of one tensor would have their gradients copied together.
            q, k, v = q.contiguous(), *(each.repeat_interleave(self._repeats, 1) for each in (k, v))
        return q, k, v

    def after(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """What leaves the layer, of what entered it and what attention gave."""
        hidden = hidden + self.out(attended)
        gate, up = self.gate_up(rms_norm(hidden, self._mid_norm, self._epsilon)).chunk(2, 1)
        return hidden + self.down(torch.nn.functional.silu(gate) * up)


class Decoder:
    """A causal language model of transformers, with PEFT's LoRA layers in it, for the lean step.

    Attributes:
        layers: Its layers.
        head: The projection onto the vocabulary, `(vocabulary, size)`.
    """

    def __init__(self, model: Any, *, joined: bool, repeated: bool) -> None:
        """Read a model that `unfit` finds fit; its weights stay shared with it.

        Args:
            model: The model.
            joined: See `Projection`.
            repeated: Give attention each key and value once for every head of queries that reads it. Flash
                attention does so itself on the way back, and then sums slowly.
        """
        inner = model.model
        self._embedding = inner.embed_tokens.weight.detach()
        self._rotary = inner.rotary_emb
        self._norm = inner.norm.weight.detach()
        self._epsilon = model.config.rms_norm_eps
        self.head = model.lm_head.weight.detach()
        self.layers = [Layer(layer, model.config, joined=joined, repeated=repeated) for layer in inner.layers]
        self._before, self._after = Layer.before, Layer.after

    def compile(self, **options: Any) -> None:
        """Compile what a layer does before and after attention, once for all layers and numbers of tokens.

        Args:
            options: Those of `torch.compile`.
        """
        self._before = compile_any_length(Layer.before, **options)
        self._after = compile_any_length(Layer.after, **options)

    def projections(self) -> Iterator[Projection]:
        """All of them, from the first layer to the last."""
        for layer in self.layers:
            yield from layer.projections()

    def __call__(self, fields: Fields, shape: Shape, attend: Attention) -> Tensor:
        """What predicts the answer tokens: `(answers, size)`."""
        # Asking for a gradient makes the first layer like the others, so that one compilation serves all.
        hidden = torch.nn.functional.embedding(fields.tokens, self._embedding).requires_grad_()
        cos, sin = self._rotary(hidden, fields.positions[None])
        half = cos.shape[-1] // 2
        cos, sin = cos[0, :, None, :half], sin[0, :, None, :half]
        sharing = fields.sharing(shape)
        for layer in self.layers:
            attended = attend(*self._before(layer, hidden, cos, sin, *sharing))
            if layer is self.layers[-1]:  # Nothing reads what it makes of the other tokens.
                hidden, attended = (each.index_select(0, fields.places) for each in (hidden, attended))
            hidden = self._after(layer, hidden, attended)
        return rms_norm(hidden, self._norm, self._epsilon)


def unfit(model: Any) -> str | None:
    """Why a model cannot be read as such a decoder; None when it can."""
    config = model.config
    if config.model_type not in MODEL_TYPES:
        return f"the architecture {config.model_type} is not one of {', '.join(MODEL_TYPES)}"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}"
    if getattr(config, "mlp_bias", False):
        return "its MLP has biases"
    if config.attention_dropout:
        return "it has attention dropout"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or (config.model_type == "mistral" and config.sliding_window):
        return "its attention has a window"
    if (rope := getattr(model.model.rotary_emb, "rope_type", "default")) in ("dynamic", "longrope"):
        return f"its positions depend on how long a batch's rows are (rope_type {rope})"
    if model.lm_head.bias is not None:
        return "its projection onto the vocabulary has a bias"
    return None


def _head_norm(attention: Any, heads: int, key_heads: int) -> Tensor | None:
    """The weights of the norms of queries and keys, head by head, `(heads + key heads, size)`."""
    if not hasattr(attention, "q_norm"):
        return None
    queries, keys = attention.q_norm.weight.detach(), attention.k_norm.weight.detach()
    return torch.cat([queries.expand(heads, -1), keys.expand(key_heads, -1)])
