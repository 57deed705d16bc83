"""Messages JSONL as token ids: the loss falls on the last answer, and what precedes it is as it is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from ..dataset import Dataset
from ..errors import DataError, RecipeError
from ..prompt import CHAT_TEMPLATE_KWARGS

IGNORED = -100
"""The label of a token on which no loss falls."""


@frozen
class Row:
    """A tokenized example.

    Attributes:
        tokens: Its token ids: the prompt as a server renders it, the answer, and the end of the turn.
        prompt_length: How many of them are the prompt.
        line: The line of the data file that it was read from.
    """

    tokens: Sequence[int]
    prompt_length: int
    line: int | None = None

    def features(self) -> dict[str, list[int]]:
        """The row as TRL trains on it when it is given token ids."""
        answer = self.tokens[self.prompt_length :]
        return {"input_ids": list(self.tokens), "labels": [IGNORED] * self.prompt_length + list(answer)}


def tokenize(data: Dataset, tokenizer: Any, *, limit: int) -> list[Row]:
    """Render and tokenize all examples with the template's thinking off.

    The prompt is rendered on its own, as the server does it. Left to TRL, rows of `messages` would also be
    trained to write Qwen3's empty think block, which the server puts into the prompt.

    Args:
        data: The examples.
        tokenizer: The base model's tokenizer.
        limit: Tokens of the longest example that is allowed, prompt and answer together.

    Raises:
        RecipeError: The base model has no chat template.
        DataError: An example is too long, or its prompt is rendered otherwise when the answer follows. The
            message names its line.
    """
    if tokenizer.chat_template is None:
        raise RecipeError(
            f"{tokenizer.name_or_path}: the base model has no chat template.",
            hint="Choose an instruction-tuned model, such as Qwen/Qwen3-1.7B.",
        )
    prompts = _render(tokenizer, [list(example.messages[:-1]) for example in data], answer_follows=True)
    chats = _render(tokenizer, [list(example.messages) for example in data])
    rows = []
    for example, prompt, tokens in zip(data, prompts, chats, strict=True):
        if tokens[: len(prompt)] != prompt or len(tokens) == len(prompt):
            raise DataError(
                "the prompt is rendered otherwise when its answer follows, so a server would send another",
                path=data.source,
                line=example.line,
                hint="Does the answer start with white space? If all rows are so, the base model's chat "
                "template cannot be used.",
            )
        rows.append(Row(tokens, len(prompt), example.line))
    long = [row for row in rows if len(row.tokens) > limit]
    if long:
        longest = max(long, key=lambda row: len(row.tokens))
        others = f"; {len(long)} rows are too long, and this is the longest" if len(long) > 1 else ""
        raise DataError(
            f"the example has {len(longest.tokens)} tokens, and the limit is {limit}{others}",
            path=data.source,
            line=longest.line,
            hint="Shorten or drop it, or raise the recipe's max_length as far as the model allows.",
        )
    return rows


def _render(tokenizer: Any, chats: list[Any], *, answer_follows: bool = False) -> list[list[int]]:
    encoded = tokenizer.apply_chat_template(
        chats, add_generation_prompt=answer_follows, tokenize=True, return_dict=True, **CHAT_TEMPLATE_KWARGS
    )
    return list(encoded["input_ids"])
