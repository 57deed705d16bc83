"""A model of random weights, written by hand: it trains, merges and serves, and knows nothing."""

from __future__ import annotations

import json
import random
import struct
from array import array
from math import prod
from pathlib import Path
from typing import Any

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HIDDEN, _INNER, _HEADS, _HEAD = 32, 64, 2, 16


def make_random_model(folder: str | Path, *, seed: int = 0) -> Path:
    """Write a Qwen3 of one layer and hidden size 32, with a byte-level tokenizer, into a folder.

    It takes a few milliseconds and no library: contract suites run where torch is not installed.

    Args:
        folder: Where to; made if it is not there.
        seed: Decides the weights, and so the artifact's digest.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: i for i, token in enumerate((*_SPECIAL, *_byte_alphabet()))}
    _write(target / "config.json", _config(len(vocabulary)))
    _write(target / "generation_config.json", {"eos_token_id": [2, 0], "pad_token_id": 0})
    _write(target / "tokenizer.json", _tokenizer(vocabulary))
    _write(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 2048,
            "chat_template": _TEMPLATE,
        },
    )
    (target / "model.safetensors").write_bytes(_safetensors(_shapes(len(vocabulary)), seed))
    return target


def _config(size: int) -> dict[str, Any]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": size,
        "hidden_size": _HIDDEN,
        "intermediate_size": _INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _HEADS,
        "head_dim": _HEAD,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "dtype": "float32",
    }


def _byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes: bytes that do not print move up to 256 and on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = len([byte for byte in range(256) if byte not in plain])
    return [chr(code) for code in (*plain, *range(256, 256 + moved))]


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, Any]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(_SPECIAL)],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


def _shapes(size: int) -> dict[str, tuple[int, ...]]:
    width, layer = _HEADS * _HEAD, "model.layers.0."
    return {
        "model.embed_tokens.weight": (size, _HIDDEN),
        f"{layer}self_attn.q_proj.weight": (width, _HIDDEN),
        f"{layer}self_attn.k_proj.weight": (width, _HIDDEN),
        f"{layer}self_attn.v_proj.weight": (width, _HIDDEN),
        f"{layer}self_attn.o_proj.weight": (_HIDDEN, width),
        f"{layer}mlp.gate_proj.weight": (_INNER, _HIDDEN),
        f"{layer}mlp.up_proj.weight": (_INNER, _HIDDEN),
        f"{layer}mlp.down_proj.weight": (_HIDDEN, _INNER),
        f"{layer}self_attn.q_norm.weight": (_HEAD,),
        f"{layer}self_attn.k_norm.weight": (_HEAD,),
        f"{layer}input_layernorm.weight": (_HIDDEN,),
        f"{layer}post_attention_layernorm.weight": (_HIDDEN,),
        "model.norm.weight": (_HIDDEN,),
    }


def _safetensors(shapes: dict[str, tuple[int, ...]], seed: int) -> bytes:
    """The tensors in the safetensors format: the header's length, the header, the numbers."""
    numbers, header, values = random.Random(seed), {}, array("f")
    for name, shape in shapes.items():
        start = len(values)
        norm = len(shape) == 1
        values.extend(1.0 if norm else numbers.gauss(0, 0.1) for _ in range(prod(shape)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (4 * start, 4 * len(values))}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + values.tobytes()


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False), "utf-8")
