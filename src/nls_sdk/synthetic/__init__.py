"""Seeded synthetic data: English questions with the Sourcegraph queries that answer them.

- `generate` returns the rows of a training and a validation set.
- `write` writes them as ``train.jsonl`` and ``val.jsonl``.

Half of the validation rows hold out names (every name or value in them is new, the wordings are
known), the other half hold out phrasings (every wording in them is new, the names are known).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..prompt import SYSTEM_PROMPT
from .generator import NAMES, PHRASINGS, Example, examples

__all__ = ["TRAIN_ROWS", "generate", "write"]

TRAIN_ROWS = 6000
"""Training rows where nothing else is said, in the demo too."""


def generate(
    *, seed: int = 0, train: int = TRAIN_ROWS, val: int = 400
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Makes a training and a validation set, the same for the same arguments.

    Args:
        seed: decides everything.
        train: number of training rows.
        val: number of validation rows: the larger half holds out names, the rest phrasings.

    Returns:
        The rows of both: ``messages`` in OpenAI's form, and ``metadata`` with the ``intent`` and
        what is ``held_out`` (``"names"``, ``"phrasings"``, or None in training).
    """
    taken: set[str] = set()
    train_rows = [_row(e) for e in _unique(seed, None, train, taken)]
    names = [_row(e) for e in _unique(seed, NAMES, val - val // 2, taken)]
    phrasings = [_row(e) for e in _unique(seed, PHRASINGS, val // 2, taken)]
    random.Random(f"{seed}-order").shuffle(train_rows)
    return train_rows, names + phrasings


def write(directory: Path, *, seed: int = 0, train: int = TRAIN_ROWS, val: int = 400) -> tuple[Path, Path]:
    """Writes `generate`'s rows to ``train.jsonl`` and ``val.jsonl`` in ``directory``.

    Returns:
        The two paths.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = (directory / "train.jsonl", directory / "val.jsonl")
    for path, rows in zip(paths, generate(seed=seed, train=train, val=val), strict=True):
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return paths


def _unique(seed: int, held_out: str | None, count: int, taken: set[str]) -> Iterator[Example]:
    """``count`` examples whose questions are not ``taken`` yet; takes them."""
    stream = examples(random.Random(f"{seed}-{held_out}"), held_out)
    while count > 0:
        example = next(stream)
        key = example.question.casefold().rstrip(".")
        if key not in taken:
            taken.add(key)
            count -= 1
            yield example


def _row(example: Example) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": example.question},
            {"role": "assistant", "content": example.query},
        ],
        "metadata": {"intent": example.intent, "held_out": example.held_out},
    }
