"""What a command left, for the tests of the console script."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import frozen


@frozen
class Outcome:
    """What a command left.

    Attributes:
        code: Its exit code.
        out: What it wrote to stdout.
        err: What it wrote to stderr.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call: TypeAlias = Callable[..., Outcome]


def right(question: str) -> str:
    """The query that the data expects."""
    return f"lang:go {question.split()[1]}"


def wrong(question: str) -> str:
    return f"path:nowhere {question}"
