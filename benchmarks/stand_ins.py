"""What stands in for a real model and real data where only speed and memory count."""

from __future__ import annotations

import random
from typing import Any

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from nls_sdk.worker.data import Row

QWEN3_1_7B: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}
"""Qwen3-1.7B's shape, as `transformers.Qwen3Config` takes it."""

SHARED = 16
"""Tokens with which all examples begin: so many Qwen3's tokenizer makes of the SDK's system message."""


def random_rows(count: int, vocabulary: int, *, prompt: float = 62.0, answer: float = 20.0) -> list[Row]:
    """Examples of random tokens, of lengths as questions and queries have them.

    Args:
        count: How many; the same number gives the same examples.
        vocabulary: Tokens to draw from.
        prompt: The mean length of prompts, which deviate by 14.
        answer: The same of answers, which deviate by 7.
    """
    numbers = random.Random(0)
    rows = []
    for _ in range(count):
        asked = max(24, int(numbers.gauss(prompt, 14)))
        answered = max(5, int(numbers.gauss(answer, 7)))
        own = [numbers.randrange(2, vocabulary) for _ in range(asked + answered - SHARED)]
        rows.append(Row([*range(2, 2 + SHARED), *own], asked))
    return rows


def empty_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that knows how to pad, and nothing else."""
    empty = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=empty, pad_token="<pad>", eos_token="<eos>")
