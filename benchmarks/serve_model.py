"""A model as heavy as Qwen3-1.7B that really answers: ``python benchmarks/serve_model.py SMALL OUT``.

How fast speculation is depends on what the model says, and how fast everything else is on its shape. So a
small Qwen3 that was fine-tuned for the task (``nls-finetune demo`` makes one) is set into the shape of a
large one: its numbers stand in a corner of the large matrices, and what the rest computes adds nothing. It
says what the small one says, at the large one's price; ``--check N`` counts on how many questions the two
answer alike, in float32 and in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from stand_ins import QWEN3_1_7B
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from nls_sdk.prompt import CHAT_TEMPLATE_KWARGS, prompt
from nls_sdk.synthetic import generate


def main() -> None:
    """Writes the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("small", type=Path, help="folder of a fine-tuned Qwen3 of at most 8 heads")
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", type=int, default=0, help="questions to compare the answers to")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    graft(options.small, options.out, options.device)
    if options.check:
        _check(options.small, options.out, options.check, options.device)


def graft(small: Path, out: Path, device: str = "cpu") -> None:
    """Write the large model that computes what the small one does, in bfloat16."""
    source = AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32)
    config = source.config
    heads, kept = config.num_attention_heads, config.num_key_value_heads
    if kept > QWEN3_1_7B["num_key_value_heads"] or heads != kept or not config.tie_word_embeddings:
        raise SystemExit("the small model must have tied embeddings and one query head for each of its heads")
    more = {"max_position_embeddings": 4096, "dtype": "bfloat16", "layer_types": None}
    large = Qwen3Config(**{**config.to_dict(), **QWEN3_1_7B, **more})
    tensors = {name: t.to(device) for name, t in source.state_dict().items() if name != "lm_head.weight"}
    made = _Grafter(config, device).all(tensors)
    out.mkdir(parents=True, exist_ok=True)
    for file in small.iterdir():
        if file.is_file() and file.suffix != ".safetensors" and file.name != "config.json":
            shutil.copyfile(file, out / file.name)
    large.architectures = ["Qwen3ForCausalLM"]
    large.save_pretrained(out)
    save_file({k: v.cpu().contiguous() for k, v in made.items()}, out / "model.safetensors", {"format": "pt"})
    print(json.dumps({"parameters": sum(t.numel() for t in made.values()), "folder": str(out)}), flush=True)


class _Grafter:
    """Places the small model's numbers in large matrices."""

    def __init__(self, config: Any, device: str) -> None:
        self._small, self._device = config, device
        self._noise = torch.Generator(device=device).manual_seed(0)
        self._hidden, self._inner = QWEN3_1_7B["hidden_size"], QWEN3_1_7B["intermediate_size"]
        self._heads, self._kept = QWEN3_1_7B["num_attention_heads"], QWEN3_1_7B["num_key_value_heads"]
        self._size = QWEN3_1_7B["head_dim"]
        # The root mean square of a vector shrinks by this where zeros make it longer.
        self._shrink = math.sqrt(config.hidden_size / self._hidden)
        half, step = config.head_dim // 2, self._size // config.head_dim
        turning = torch.arange(half, device=device) * step
        # Rotary positions turn dimension i with i + half, the faster the smaller i: the same speeds are found
        # a few dimensions apart in a longer head.
        self._places = torch.cat([turning, turning + self._size // 2])

    def all(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The large model's tensors."""
        made = {"model.embed_tokens.weight": self._zeros(QWEN3_1_7B["vocab_size"], self._hidden)}
        words = tensors["model.embed_tokens.weight"]
        made["model.embed_tokens.weight"][: words.shape[0], : words.shape[1]] = words
        made["model.norm.weight"] = self._norm(tensors["model.norm.weight"])
        for layer in range(QWEN3_1_7B["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            made |= {prefix + name: value for name, value in self._layer(own).items()}
        return {name: value.to(torch.bfloat16) for name, value in made.items()}

    def _layer(self, own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One layer; without numbers of its own one that computes, and adds nothing."""
        hidden, inner, width = self._hidden, self._inner, self._heads * self._size
        made = {
            "input_layernorm.weight": self._ones(hidden),
            "post_attention_layernorm.weight": self._ones(hidden),
            "self_attn.q_norm.weight": self._ones(self._size),
            "self_attn.k_norm.weight": self._ones(self._size),
            "self_attn.q_proj.weight": self._random(width, hidden),
            "self_attn.k_proj.weight": self._random(self._kept * self._size, hidden),
            "self_attn.v_proj.weight": self._random(self._kept * self._size, hidden),
            "self_attn.o_proj.weight": self._zeros(hidden, width),
            "mlp.gate_proj.weight": self._random(inner, hidden),
            "mlp.up_proj.weight": self._random(inner, hidden),
            "mlp.down_proj.weight": self._zeros(hidden, inner),
        }
        if not own:
            return made
        n, m, d = self._small.hidden_size, self._small.intermediate_size, self._small.head_dim
        grow = math.sqrt(self._size / d)
        for name in ("input_layernorm.weight", "post_attention_layernorm.weight"):
            made[name] = self._norm(own[name])
        for name, factor in (("q_norm", 1.0), ("k_norm", 1.0 / grow)):
            # A head's norm shrinks as the hidden one does, and longer heads divide their products by more.
            made[f"self_attn.{name}.weight"] = self._zeros(self._size)
            made[f"self_attn.{name}.weight"][self._places] = own[f"self_attn.{name}.weight"] * factor
        shared = self._heads // self._kept
        for head in range(self._small.num_key_value_heads):
            rows = slice(head * d, (head + 1) * d)
            for name, place in (("q", head * shared), ("k", head), ("v", head)):
                target = made[f"self_attn.{name}_proj.weight"]
                block = self._zeros(self._size, hidden)
                block[self._places, :n] = own[f"self_attn.{name}_proj.weight"][rows]
                target[place * self._size : (place + 1) * self._size] = block
            columns = head * shared * self._size + self._places
            made["self_attn.o_proj.weight"][:n, columns] = own["self_attn.o_proj.weight"][:, rows]
        for name in ("gate", "up"):
            made[f"mlp.{name}_proj.weight"][:m, :n] = own[f"mlp.{name}_proj.weight"]
        made["mlp.down_proj.weight"][:n, :m] = own["mlp.down_proj.weight"]
        return made

    def _norm(self, own: torch.Tensor) -> torch.Tensor:
        made = self._ones(self._hidden)
        made[: own.shape[0]] = own * self._shrink
        return made

    def _zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, device=self._device)

    def _ones(self, *shape: int) -> torch.Tensor:
        return torch.ones(shape, device=self._device)

    def _random(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self._device, generator=self._noise) * 0.02


@torch.inference_mode()
def _check(small: Path, out: Path, count: int, device: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small)
    questions = [row["messages"][1]["content"] for row in generate(train=1, val=count)[1]]
    models = {
        "small": AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32),
        "large in float32": Qwen3ForCausalLM.from_pretrained(out, dtype=torch.float32),
        "large in bfloat16": Qwen3ForCausalLM.from_pretrained(out, dtype=torch.bfloat16),
    }
    answers: dict[str, list[str]] = {}
    for name, model in models.items():
        placed: Any = model
        placed = placed.to(device).eval()
        answers[name] = [_answer(placed, tokenizer, question) for question in questions]
        same = sum(one == other for one, other in zip(answers["small"], answers[name], strict=True))
        print(json.dumps({"model": name, "same answers": same, "of": count}), flush=True)


def _answer(model: Any, tokenizer: Any, question: str) -> str:
    ids = tokenizer.apply_chat_template(
        prompt(question), add_generation_prompt=True, return_tensors="pt", **CHAT_TEMPLATE_KWARGS
    )["input_ids"].to(model.device)
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=64, do_sample=False)
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


if __name__ == "__main__":
    main()
