"""The baseline: a general chat model that is told the query language in its prompt."""

from __future__ import annotations

import os
import re

from nls_sdk.chat import ask, connect
from nls_sdk.errors import ConfigError
from nls_sdk.prompt import prompt
from nls_sdk.providers import API_VERSION
from nls_sdk.translator import Translation

OPENAI_URL = "https://api.openai.com/v1"

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

    GPT-4o-mini is said to leave OpenAI's API on 2027-01-14; the answers that `nls-finetune eval baseline`
    keeps outlive it.

    Attributes:
        name: What reports call it: the model's name, unless another is given.
        model: The model's name in the API.
        url: Base URL of the API.
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
        self.model = model
        self.name = name or model
        self.url = custom or OPENAI_URL
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
            prompt(question, system=self._system),
            max_tokens=self._max_tokens,
            temperature=0.0,
        )
        return answer.with_text(bare(answer))

    def __repr__(self) -> str:
        return f"<OpenAIBaseline {self.model!r}>"


def bare(answer: str) -> str:
    """The query alone: what a Markdown fence holds, or the answer without the backticks around it."""
    fenced = _FENCED.search(answer)
    return (fenced[1] if fenced else answer).strip().strip("`").strip()
