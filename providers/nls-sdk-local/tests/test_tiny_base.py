"""The tiny base model: its files are the released ones, its template is Qwen3's, its corpus is pure."""

from __future__ import annotations

import importlib
import itertools
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nls_sdk import synthetic
from nls_sdk.errors import NlsError
from nls_sdk.recipe import Recipe
from nls_sdk.synthetic.generator import CONCEPTS
from nls_sdk.synthetic.names import POOLS
from nls_sdk.synthetic.sentences import SENTENCES
from nls_sdk.synthetic.subjects import OPENERS_HELD
from nls_sdk_local.tiny import DEMO_RECIPE, TinyBaseDamaged, tiny_base

PRETRAINING = Path(__file__).parent.parent / "pretraining"
CLOSED_LIST = (
    "repo|file|lang|language|l|content|type|case|rev|fork|archived|visibility|context|author|committer|before"
    "|after|message|count|timeout|patterntype|select"
)
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello there"},
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(tiny_base())


@pytest.fixture(scope="module")
def corpus() -> Iterator[ModuleType]:
    sys.path.insert(0, str(PRETRAINING))
    try:
        yield importlib.import_module("corpus")
    finally:
        sys.path.remove(str(PRETRAINING))
        for name in ("corpus", "grammar", "values"):
            sys.modules.pop(name, None)


def test_the_files_are_the_released_ones() -> None:
    folder = tiny_base()
    assert (folder / "MODEL_CARD.md").is_file()
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 12 * 1024 * 1024


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "tiny_base"
    shutil.copytree(tiny_base(), copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(TinyBaseDamaged, match=re.escape(name)) as caught:
        tiny_base(copy)
    assert isinstance(caught.value, NlsError)
    assert "reinstall nls-sdk-local" in caught.value.hint


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "tiny_base"
    shutil.copytree(tiny_base(), copy)
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(TinyBaseDamaged, match=r"chat_template\.jinja is missing"):
        tiny_base(copy)
    with pytest.raises(TinyBaseDamaged, match=r"SHA256SUMS\.json"):
        tiny_base(tmp_path)


def test_the_recipe_is_one() -> None:
    recipe = Recipe(base_model=str(tiny_base()), **DEMO_RECIPE)
    assert (recipe.lora_r, recipe.lora_alpha, recipe.target_modules) == (16, 32, "all-linear")


@pytest.mark.parametrize(
    "text",
    [
        'repo:acme/billing file:\\.go$ "fmt.Errorf(" /v\\d+/ count:100',
        "  two  spaces\tand\n\n\nlines \r\n",
        "naïve Ünïcödé — 日本語 🙂 e\u0301",
        "1234567890 don't WE'LL {x} <b> </s>",
        "\x00\x7f",
    ],
)
def test_the_tokenizer_round_trips(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos_token == "<|im_end|>"
    assert max(ids) < len(tokenizer)


def test_special_tokens_are_single(tokenizer: Any) -> None:
    for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"):
        assert len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1


def test_the_template_is_qwen3s(tokenizer: Any) -> None:
    def render(messages: list[dict[str, str]], **kwargs: Any) -> str:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, **kwargs))

    told = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello there<|im_end|>\n"
    thinking = told + "<|im_start|>assistant\n"
    assert render(CHAT) == told
    assert render(CHAT, add_generation_prompt=True) == thinking
    assert render(CHAT, add_generation_prompt=True, enable_thinking=True) == thinking
    quiet = render(CHAT, add_generation_prompt=True, enable_thinking=False)
    assert quiet == thinking + "<think>\n\n</think>\n\n"

    answered = [*CHAT, {"role": "assistant", "content": "Hi"}]
    assert render(answered) == quiet + "Hi<|im_end|>\n"
    longer = [*answered, {"role": "user", "content": "More"}]
    assert render(longer) == thinking + "Hi<|im_end|>\n<|im_start|>user\nMore<|im_end|>\n"
    thought = [*CHAT, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHi"}]
    assert render(thought) == thinking + "<think>\nhm\n</think>\n\nHi<|im_end|>\n"


def test_the_model_loads_and_answers(tokenizer: Any) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base(), dtype=torch.float32)
    assert model.config.model_type == "qwen3"
    assert model.config.tie_word_embeddings
    assert model.config.vocab_size == len(tokenizer)
    prompt = tokenizer.apply_chat_template(
        CHAT, add_generation_prompt=True, enable_thinking=False, return_tensors="pt", return_dict=True
    )
    out = model.generate(**prompt, max_new_tokens=8)
    assert out.shape[1] > prompt["input_ids"].shape[1]


def test_the_corpus_is_seeded(corpus: ModuleType) -> None:
    first = list(itertools.islice(corpus.chats(3), 50))
    assert list(itertools.islice(corpus.chats(3), 50)) == first
    assert list(itertools.islice(corpus.chats(4), 50)) != first


def test_the_corpus_holds_no_query_syntax(corpus: ModuleType) -> None:
    for chat in itertools.islice(corpus.chats(0), 1500):
        for _, text in chat:
            assert not re.search(rf"\b({CLOSED_LIST}):", text, re.IGNORECASE), text


def test_the_corpus_stands_apart_from_the_generator(corpus: ModuleType) -> None:
    for path in PRETRAINING.glob("*.py"):
        assert "nls_sdk" not in path.read_text(encoding="utf-8").replace("nls_sdk_local", ""), path


def test_held_out_wordings_are_withheld_from_the_corpus(corpus: ModuleType) -> None:
    """Each clause, opening and sentence that validation holds out is kept out of the corpus verbatim."""
    held = {w.text.strip(" ,") for c in CONCEPTS.values() for w in c.wordings if w.held}
    sentences = {re.sub(r"{\w+}", "{x}", s.text) for s in SENTENCES if s.held}
    grammar = sys.modules["grammar"]
    assert set(grammar.WITHHELD) == held | sentences | set(OPENERS_HELD)

    rng = random.Random(0)
    for line in grammar.GRAMMARS:
        for _ in range(5):
            said = grammar.phrase(line, rng).casefold()
            for wording in held | set(OPENERS_HELD):
                found = wording.casefold() in said and re.search(
                    rf"(?<![\w}}]){re.escape(wording)}(?![\w{{])", said, re.IGNORECASE
                )
                assert not found, (wording, said)


def test_no_validation_question_and_hardly_a_held_out_name_is_in_the_corpus(corpus: ModuleType) -> None:
    lines = [text for chat in itertools.islice(corpus.chats(0), 1500) for _, text in chat]
    told = {line.casefold() for line in lines}
    _, val = synthetic.generate(train=10, val=400)
    assert not told & {row["messages"][1]["content"].casefold() for row in val}

    text = "\n".join(lines)
    for kind in ("repo", "person", "identifier", "phrase", "snippet", "dir", "owner", "context"):
        for value in POOLS[kind].held:
            assert not re.search(rf"(?<![\w.]){re.escape(value.text)}(?!\w)", text), (kind, value.text)
