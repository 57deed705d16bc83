"""Decoding under a grammar on a CPU, for an engine that cannot mask logits itself.

The engine decodes freely for as long as the grammar allows what it writes. At the first token that it does
not allow, the best allowed one takes its place and the engine goes on from there. Greedily that is exactly
what masking every step gives, and it costs a forward pass for each token replaced and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .decoding import Engine, OnToken, Sampling

_KEPT = 8


class GrammarError(ValueError):
    """The text is not a grammar."""


class Grammars:
    """Grammars over one tokenizer, compiled once each. Not thread-safe."""

    def __init__(self, tokenizer: Any, eos_ids: Sequence[int], vocabulary_size: int) -> None:
        """Read the vocabulary.

        Args:
            tokenizer: A fast tokenizer of transformers.
            eos_ids: The tokens that end an answer.
            vocabulary_size: Logits of the model.

        Raises:
            ImportError: llguidance is not installed.
        """
        self._llguidance: Any = importlib.import_module("llguidance")
        hf: Any = importlib.import_module("llguidance.hf")
        self._tokenizer = hf.from_tokenizer(tokenizer, n_vocab=vocabulary_size, eos_token=list(eos_ids))
        self._compiled: dict[str, Any] = {}

    def matcher(self, grammar: str) -> Any:
        """What follows one answer through the grammar, at its start.

        Args:
            grammar: In llguidance's dialect of Lark.

        Raises:
            GrammarError: It is not a grammar.
        """
        if grammar not in self._compiled:
            made = self._llguidance.LLMatcher(
                self._tokenizer, self._llguidance.LLMatcher.grammar_from_lark(grammar)
            )
            if made.is_error():
                raise GrammarError(str(made.get_error()).partition("\n")[0][:300])
            if len(self._compiled) >= _KEPT:
                self._compiled.pop(next(iter(self._compiled)))
            self._compiled[grammar] = made
        return self._compiled[grammar].deep_copy()


def generate_within(
    engine: Engine, matcher: Any, prompt: Sequence[int], sampling: Sampling, on_token: OnToken
) -> None:
    """Like `engine.generate`, greedily, with only such tokens as the matcher allows."""
    ids: list[int] = []
    stopped = refused = False

    def take(token: int) -> bool:
        nonlocal stopped, refused
        if not matcher.validate_tokens([token]):
            refused = True
            return True
        matcher.consume_token(token)
        ids.append(token)
        stopped = on_token(token) or len(ids) >= sampling.max_tokens
        if not stopped and matcher.is_stopped():
            # The sentence is whole and nothing can follow: the end that the model would have to write.
            stopped = True
            if engine.eos_ids:
                on_token(engine.eos_ids[0])
        return stopped

    while not stopped:
        refused = False
        left = replace(sampling, max_tokens=sampling.max_tokens - len(ids))
        engine.generate([*prompt, *ids], left, take)
        if not refused:
            return
        refused = False
        take(_best(engine.next_logits([*prompt, *ids]), matcher))
        if refused:
            raise RuntimeError("the grammar allows no token at all")


def _best(logits: Any, matcher: Any) -> int:
    """The likeliest token that the matcher allows."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
    allowed = bits[: len(logits)].astype(bool)
    return int(np.where(allowed, logits[: len(allowed)], -np.inf).argmax())
