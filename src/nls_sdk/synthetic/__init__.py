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

from ..errors import ConfigError
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

    A file that holds the same rows already is kept. The others appear by rename: never half a file.

    Returns:
        The two paths.

    Raises:
        ConfigError: A file of that name holds something else; nothing is written, neither file is touched.
    """
    paths = (directory / "train.jsonl", directory / "val.jsonl")
    contents = [_jsonl(rows) for rows in generate(seed=seed, train=train, val=val)]
    missing = [(p, content) for p, content in zip(paths, contents, strict=True) if not _holds(p, content)]
    directory.mkdir(parents=True, exist_ok=True)
    for path, content in missing:
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(content)
        temporary.replace(path)
    return paths


def _jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there with this content; one with another is somebody's work."""
    if not path.exists():
        return False
    if path.is_file() and path.read_bytes() == content:
        return True
    raise ConfigError(
        f"{path} is there already with other content, and is left as it is.",
        hint="Choose another folder, or move the file away.",
    )


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
