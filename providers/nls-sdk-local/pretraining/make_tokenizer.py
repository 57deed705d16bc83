"""Trains the byte-level BPE tokenizer on the corpus, with Qwen3's special tokens and our chat template."""

from __future__ import annotations

import itertools
from pathlib import Path

from corpus import chats
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 2560
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_THINKING = ("<think>", "</think>")
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer(seed: int, documents: int = 20_000) -> PreTrainedTokenizerFast:
    """Trains on the first `documents` chats of the corpus.

    Names are split into syllables and letters, so that any name can be copied; any text round-trips.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(_SPECIAL) - len(_THINKING),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (
        text
        for made in itertools.islice(chats(seed), documents)
        for role, text in [*made, ("", "system\n"), ("", "user\n"), ("", "assistant\n"), ("", "\n\n")]
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in _SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in _THINKING])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=_SPECIAL[2],
        pad_token=_SPECIAL[0],
        chat_template=(Path(__file__).parent / "chat_template.jinja").read_text(),
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
