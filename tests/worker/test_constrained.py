"""Decoding under a grammar on a CPU is exactly what masking every step of a greedy decoding gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nls_sdk.sourcegraph import grammar, validate
from nls_sdk.worker.constrained import GrammarError, Grammars, generate_within
from nls_sdk.worker.decoding import CTranslate2Engine, Engine, Sampling, TransformersEngine

pytest.importorskip("llguidance")

PROMPTS = ("find python files", "who wrote the retries?", "\N{SNOWMAN} ((", "a" * 40)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module", params=["transformers", "ctranslate2"])
def engine(request: pytest.FixtureRequest, tiny_model: Path, tokenizer: Any) -> Engine:
    eos = [tokenizer.eos_token_id]
    if request.param == "transformers":
        return TransformersEngine(tiny_model, eos)
    pytest.importorskip("ctranslate2")
    return CTranslate2Engine(tiny_model, eos, tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))


@pytest.fixture(scope="module")
def grammars(engine: Engine, tokenizer: Any) -> Grammars:
    return Grammars(tokenizer, engine.eos_ids, max(len(engine.next_logits([0])), len(tokenizer)))


def within(engine: Engine, grammars: Grammars, text: str, prompt: list[int], tokens: int) -> list[int]:
    ids: list[int] = []

    def keep(token: int) -> bool:
        ids.append(token)
        return token in engine.eos_ids

    generate_within(engine, grammars.matcher(text), prompt, Sampling(tokens), keep)
    return ids


def masked(engine: Engine, grammars: Grammars, text: str, prompt: list[int], tokens: int) -> list[int]:
    """The reference: every step's logits under the mask."""
    matcher, ids = grammars.matcher(text), []
    while not matcher.is_stopped() and len(ids) < tokens and not (ids and ids[-1] in engine.eos_ids):
        mask = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        logits = engine.next_logits([*prompt, *ids])
        token = int(np.where(mask[: len(logits)], logits, -np.inf).argmax())
        assert matcher.consume_token(token)
        ids.append(token)
    return ids


@pytest.mark.parametrize("question", PROMPTS)
def test_it_is_masked_greedy_decoding(
    engine: Engine, grammars: Grammars, tokenizer: Any, question: str
) -> None:
    prompt = tokenizer.encode(question)
    got = within(engine, grammars, grammar(), prompt, 24)
    assert got == masked(engine, grammars, grammar(), prompt, 24)
    assert got


def test_an_untrained_model_writes_good_queries(engine: Engine, grammars: Grammars, tokenizer: Any) -> None:
    short = 'start: "lang:" ("go" | "rust") (" " WORD)?\nWORD: /[a-z]{3,6}/\n'
    for question in PROMPTS:
        ids = within(engine, grammars, short, tokenizer.encode(question), 64)
        text = tokenizer.decode([i for i in ids if i not in engine.eos_ids])
        assert text.startswith(("lang:go", "lang:rust"))
        assert ids[-1] in engine.eos_ids
        assert validate(text) == []


def test_what_is_no_grammar_is_refused(grammars: Grammars) -> None:
    with pytest.raises(GrammarError):
        grammars.matcher("start: (((")
