from __future__ import annotations

import pytest

pytest.importorskip("trl")

from tiny import make_tokenizer, qwen3_template

from nls_sdk import Dataset
from nls_sdk.dataset import Example
from nls_sdk.errors import DataError
from nls_sdk.prompt import prompt
from nls_sdk.worker.data import tokenize


def test_the_loss_falls_on_the_answer_and_the_end_of_its_turn() -> None:
    tokenizer = make_tokenizer()
    (row,) = tokenize(Dataset.from_pairs([("find go files", "lang:go")]), tokenizer, limit=512)
    served = tokenizer.apply_chat_template(
        prompt("find go files"), add_generation_prompt=True, enable_thinking=False, return_dict=True
    )["input_ids"]
    assert row.tokens[: row.prompt_length] == served
    assert tokenizer.decode(row.tokens[row.prompt_length :]) == "lang:go<|im_end|>\n"


def test_of_a_longer_chat_only_the_last_answer_is_trained() -> None:
    tokenizer = make_tokenizer()
    turns = [*prompt("one"), {"role": "assistant", "content": "lang:go"}, *prompt("two", system="")]
    example = Example((*turns, {"role": "assistant", "content": "lang:c"}))
    (row,) = tokenize(Dataset((example,)), tokenizer, limit=512)
    assert tokenizer.decode(row.tokens[row.prompt_length :]) == "lang:c<|im_end|>\n"
    assert "lang:go" in tokenizer.decode(row.tokens[: row.prompt_length])


def test_a_template_that_renders_the_prompt_otherwise_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ messages | length }} messages\n" + qwen3_template()
    data = Dataset((Example((*prompt("q"), {"role": "assistant", "content": "lang:go"}), line=7),))
    with pytest.raises(DataError, match="7: the prompt is rendered otherwise when its answer follows"):
        tokenize(data, tokenizer, limit=512)
