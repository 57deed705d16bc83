from __future__ import annotations

import pytest

pytest.importorskip("trl")

from tiny import make_tokenizer, qwen3_template

from nls_sdk.prompt import prompt
from nls_sdk.worker.template import bake_defaults

CHATS = [
    prompt("find go files"),
    prompt("find go files", system=""),
    [*prompt("one"), {"role": "assistant", "content": "lang:go"}, *prompt("two", system="")],
]


@pytest.mark.parametrize("chat", CHATS)
def test_qwen3s_template_does_not_think_unless_told_to(chat: list[dict[str, str]]) -> None:
    plain, baked = make_tokenizer(), make_tokenizer()
    baked.chat_template = bake_defaults(qwen3_template())

    def render(tokenizer: object, **kwargs: bool) -> str:
        return str(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, **kwargs))

    off = render(plain, enable_thinking=False)
    assert off.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert render(plain) != off, "the trap: Qwen3 thinks by default"
    assert render(baked) == off
    assert render(baked, enable_thinking=False) == off
    assert render(baked, enable_thinking=True) == render(plain, enable_thinking=True) == render(plain)


def test_baking_twice_changes_nothing() -> None:
    once = bake_defaults(qwen3_template())
    assert bake_defaults(once) == once


def test_a_template_that_knows_no_thinking_is_left_alone() -> None:
    assert bake_defaults("{{ messages }}") == "{{ messages }}"


@pytest.mark.parametrize(
    "start", ["\n", "  ", "\n\n  {% if true %}x{% endif %}", "  {% if true %}y{% endif %}"]
)
def test_what_the_template_starts_with_stays(start: str) -> None:
    tokenizer = make_tokenizer()
    text = start + "{{ messages[0].content }}{{ enable_thinking }}"
    tokenizer.chat_template = text
    wanted = tokenizer.apply_chat_template(prompt("q"), tokenize=False, enable_thinking=False)
    tokenizer.chat_template = bake_defaults(text)
    assert tokenizer.apply_chat_template(prompt("q"), tokenize=False) == wanted
