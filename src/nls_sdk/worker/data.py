"""Messages JSONL as TRL trains on it: the loss falls on the last answer, and the prompt is the served one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dataset import Dataset, Example
from ..errors import DataError, RecipeError
from ..prompt import CHAT_TEMPLATE_KWARGS

_IGNORED = -100
"""The label of a token on which no loss falls."""


def to_row(example: Example) -> dict[str, Any]:
    """An example as a row of TRL's conversational prompt-completion format.

    Rows of `messages` would make TRL train on Qwen3's empty think block too: the prompt must be apart, and
    the template's arguments must come with every row.
    """
    return {
        "prompt": list(example.messages[:-1]),
        "completion": [example.messages[-1]],
        "chat_template_kwargs": dict(CHAT_TEMPLATE_KWARGS),
    }


def check_lengths(data: Dataset, tokens: Sequence[Sequence[int]], limit: int) -> None:
    """Refuse rows that would have to be cut: their answer would be lost.

    Args:
        data: The examples.
        tokens: Each example's token ids, prompt and answer together.
        limit: Tokens of the longest example that is allowed.

    Raises:
        DataError: An example is longer; it names the line, its tokens, and how many more there are.
    """
    long = [(example, len(ids)) for example, ids in zip(data, tokens, strict=True) if len(ids) > limit]
    if not long:
        return
    example, length = max(long, key=lambda pair: pair[1]) if len(long) > 1 else long[0]
    more = f" ({len(long)} rows are too long, this one the most)" if len(long) > 1 else ""
    raise DataError(
        f"the example is {length} tokens long, and max_length is {limit}{more}",
        path=data.source,
        line=example.line,
        hint=f"Shorten or drop it, or train with max_length = {max(length for _, length in long)}.",
    )


def check_prompts(
    data: Dataset, tokenizer: Any, tokens: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
) -> None:
    """Make sure that what precedes each trained answer is, token for token, the prompt that a server sends.

    Args:
        data: The examples.
        tokenizer: The model's tokenizer, with its chat template.
        tokens: Each example's token ids as the trainer holds them.
        labels: Each example's labels as the trainer holds them, `-100` where no loss falls.

    Raises:
        DataError: An example's context differs, or it has no answer to train on.
    """
    prompts = [list(example.messages[:-1]) for example in data]
    served = tokenizer.apply_chat_template(
        prompts, add_generation_prompt=True, tokenize=True, return_dict=True, **CHAT_TEMPLATE_KWARGS
    )["input_ids"]
    for example, prompt, ids, targets in zip(data, served, tokens, labels, strict=True):
        n = len(prompt)
        context = [target == _IGNORED for target in targets]
        if list(ids[:n]) != list(prompt) or context != [True] * n + [False] * (len(ids) - n) or n == len(ids):
            raise DataError(
                "the trained context is not the prompt that the server renders for it",
                path=data.source,
                line=example.line,
                hint="The answer starts with white space that merges with the prompt, or the base model's "
                "chat template renders a prompt otherwise when its answer follows.",
            )


def check_template(tokenizer: Any, source: str) -> None:
    """Refuse a base model that cannot chat.

    Raises:
        RecipeError: It has no chat template.
    """
    if tokenizer.chat_template is None:
        raise RecipeError(
            f"{source}: the base model has no chat template.",
            hint="Choose an instruction-tuned model, such as Qwen/Qwen3-1.7B.",
        )
