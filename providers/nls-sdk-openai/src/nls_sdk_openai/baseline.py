"""The baseline: a general chat model that is told the query language in its prompt."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from attrs import frozen

from nls_sdk.chat import ask, connect
from nls_sdk.errors import ConfigError
from nls_sdk.evaluation.pacing import Price
from nls_sdk.prompt import Message, prompt
from nls_sdk.providers import API_VERSION
from nls_sdk.translator import Translation

OPENAI_URL = "https://api.openai.com/v1"


@frozen
class Known:
    """What is known of a model of OpenAI's API.

    Attributes:
        version: The version that its name stands for; asked for by name, so that answers are of one model.
        ends: When it is said to leave the API; None when that is not known.
        price: What its tokens cost when this was written.
    """

    version: str
    ends: date | None
    price: Price


KNOWN: Mapping[str, Known] = {
    "gpt-4o-mini": Known("gpt-4o-mini-2024-07-18", date(2027, 1, 14), Price(0.15, 0.60)),
    "gpt-4o": Known("gpt-4o-2024-08-06", None, Price(2.50, 10.0)),
}
"""Models that a name does not pin. A version that is not listed here is asked for as it is written."""

SYSTEM_PROMPT = """\
Convert the request into one Sourcegraph search query. Answer with the query alone, on one line: \
no explanation, no Markdown, no quotes around it.

A query is search terms and filters, separated by spaces. A filter is name:value; there are no others than:
repo:REGEX  file:REGEX  lang:NAME  content:"TEXT"  rev:BRANCH  context:NAME
type:symbol|commit|diff|file|path|repo
author:NAME  committer:NAME  message:"TEXT"  before:"DATE"  after:"DATE" (with type:commit or type:diff)
case:yes  fork:yes|no|only  archived:yes|no|only  visibility:public|private|any
count:NUMBER|all  timeout:DURATION  patterntype:keyword|literal|regexp|structural
select:repo|file|content|symbol.KIND|commit.diff.added|commit.diff.removed

A minus excludes, as in -file:test. AND, OR, NOT and parentheses combine terms.

Request: TypeScript files in facebook/react that call useEffect, without tests
repo:^github\\.com/facebook/react$ lang:typescript -file:test useEffect

Request: commits by alice about memory leaks since last month
type:commit author:alice message:"memory leak" after:"1 month ago"
"""
"""What the model is told before every question."""

_FENCED = re.compile(r"```(?:[\w-]*\n)?(.*?)(?:```|\Z)", re.DOTALL)


class OpenAIBaseline:
    """A chat model behind OpenAI's API, or one like it, asked with a prompt that describes the operators.

    Each question is one request: `SYSTEM_PROMPT`, which states the rules, the valid operators and two
    examples, then the question; temperature 0. Markdown around the answer is taken off.

    With `examples` the model sees them before each question, as earlier turns of the chat. At OpenAI's own
    API a name such as `gpt-4o-mini` asks for the version that it is pinned to; see `KNOWN`. The answers that
    `nls-finetune eval baseline` keeps outlive the model.

    Attributes:
        name: What reports call it: the model's name, unless another is given.
        model: The model's name in the API.
        url: Base URL of the API.
        price: What a token costs, where that is known.
    """

    api_version = API_VERSION

    def __init__(
        self,
        model: str = "gpt-4o-mini",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        name: str | None = None,
        system: str = SYSTEM_PROMPT,
        examples: Iterable[Sequence[str]] = (),
        max_tokens: int = 128,
        timeout: float = 60.0,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            model: The model's name in the API.
            base_url: Base URL of an OpenAI-compatible API, ending in `/v1`; by default OPENAI_BASE_URL, then
                OpenAI's own.
            api_key: The key; by default OPENAI_API_KEY. It is sent to whatever `base_url` names.
            name: What reports call it.
            system: The system message of every request.
            examples: Pairs of a question and its query, shown before each question.
            max_tokens: Tokens of the longest answer.
            timeout: Seconds until a request is given up.

        Raises:
            ConfigError: OpenAI's own API is to be asked, and there is no key.
        """
        custom = base_url or os.environ.get("OPENAI_BASE_URL")
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or None
        if self._key is None and not custom:
            raise ConfigError(
                "OPENAI_API_KEY is not set.",
                hint="Make a key at https://platform.openai.com/api-keys and put OPENAI_API_KEY=… into .env, "
                "or name another OpenAI-compatible API in OPENAI_BASE_URL.",
            )
        known = None if custom else KNOWN.get(model)
        self.model = known.version if known else model
        self.name = name or model
        self.url = custom or OPENAI_URL
        self.price = known.price if known else None
        self._ends = known.ends if known else None
        self._examples = tuple((question, query) for question, query in examples)
        self._system = system
        self._max_tokens = max_tokens
        self._client = connect(self.url, api_key=self._key, timeout=timeout)

    def translate(self, question: str) -> Translation:
        """The model's query for a question: one request, no retry.

        Raises:
            EndpointUnavailable: The server did not answer; asking again may help.
            EndpointError: It refused the request, or its answer is not one.
            ConfigError: The URL is not one, or the key cannot be sent.
        """
        answer = ask(
            self._client,
            self.model,
            self._prompt(question),
            max_tokens=self._max_tokens,
            temperature=0.0,
        )
        return answer.with_text(bare(answer))

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides its answers, as plain values: answers are kept under them."""
        return {
            "url": self._client.place,
            "model": self.model,
            "system": self._system,
            "examples": [list(pair) for pair in self._examples],
            "max_tokens": self._max_tokens,
            "temperature": 0.0,
        }

    @property
    def notice(self) -> str:
        """When the model is said to end; empty when that is not known."""
        if self._ends is None:
            return ""
        days = (self._ends - datetime.now(UTC).date()).days
        when = f"in {days} days; keep its answers" if days >= 0 else "which is past; use kept answers"
        return f"{self.model} is said to leave OpenAI's API on {self._ends}, {when}."

    def _prompt(self, question: str) -> list[Message]:
        asked = prompt(question, system=self._system)
        shown = [
            message
            for example, query in self._examples
            for message in (Message(role="user", content=example), Message(role="assistant", content=query))
        ]
        return [*asked[:-1], *shown, asked[-1]]

    def __repr__(self) -> str:
        return f"<OpenAIBaseline {self.model!r}>"


def bare(answer: str) -> str:
    """The query alone: what a Markdown fence holds, or the answer without the backticks around it."""
    fenced = _FENCED.search(answer)
    return (fenced[1] if fenced else answer).strip().strip("`").strip()
