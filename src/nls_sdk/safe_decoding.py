"""Safe decoding: how it is made sure that Sourcegraph takes what the model answers."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

from .translator import Translation

Decoding: TypeAlias = Literal["free", "checked", "grammar"]
"""How safely a model is asked.

- `free`: its answer as it is.
- `checked`: its answer where Sourcegraph takes it; otherwise it is asked again under the grammar.
- `grammar`: it is asked under the grammar, so that it can write nothing else than good queries.
"""

LEVELS: tuple[Decoding, ...] = ("free", "checked", "grammar")


@cache
def under_grammar() -> dict[str, Any]:
    """The field of a request that puts its answer under the grammar; vLLM's and our own server's."""
    from .sourcegraph import grammar

    return {"structured_outputs": {"grammar": grammar()}}


def fault_of(query: str) -> str | None:
    """Why Sourcegraph would refuse a query, in one line; None when it would not."""
    from .sourcegraph import validate

    findings = validate(query)
    return str(findings[0]) if findings else None


def whole(answer: Translation) -> Translation:
    """An answer under the grammar, without its last words where it was cut short in the middle of something.

    The grammar promises whole queries, not the beginnings of them: one that reached the limit of tokens may
    end within a word, a quotation or a regular expression.
    """
    if answer.finish_reason != "length":
        return answer
    text = str(answer)
    while text and fault_of(text) is not None:
        text = text.rpartition(" ")[0].rstrip()
    return answer.with_text(text)
