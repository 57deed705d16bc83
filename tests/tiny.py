"""A tiny, untrained Qwen3 with a byte-level tokenizer and Qwen3's own chat template."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

QUESTIONS = [
    (f"find {kind} in {lang} files of {repo}", f"repo:{repo} lang:{lang} {kind}")
    for kind in ("async functions", "classes", "todo comments", "sql queries", "tests")
    for lang in ("python", "go", "rust", "java")
    for repo in ("acme/api", "acme/web", "octo/cat")
]


def qwen3_template() -> str:
    """Qwen3's chat template, as TRL ships it to recognize the model."""
    return (files("trl") / "chat_templates" / "qwen3.jinja").read_text("utf-8")


def make_tokenizer(*, vocabulary: int = 400, template: str | None = None) -> Any:
    """A byte-level BPE tokenizer with Qwen3's special tokens and, where no other is given, chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[*special, "<think>", "</think>"],
        show_progress=False,
    )
    bpe.train_from_iterator((text for pair in QUESTIONS for text in pair), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=2048
    )
    tokenizer.chat_template = template or qwen3_template()
    return tokenizer


def make_model(
    folder: Path,
    *,
    seed: int = 0,
    dtype: str = "float32",
    tied: bool = True,
    length: int = 512,
    spread: float = 0.02,
    template: str | None = None,
    architecture: str = "qwen3",
) -> Path:
    """Save a random model of hidden size 64 and two layers, with its tokenizer, into a folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    tokenizer = make_tokenizer(template=template)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=length,
        initializer_range=spread,
        tie_word_embeddings=tied,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
