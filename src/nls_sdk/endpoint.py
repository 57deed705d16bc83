"""Endpoint: a context-managed client of a live OpenAI-compatible server."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .chat import ask, connect
from .errors import EndpointUnavailable
from .prompt import CHAT_TEMPLATE_KWARGS, SYSTEM_PROMPT, prompt
from .translator import Translation

if TYPE_CHECKING:
    from .runs import Run

_STARTING = 503
_COLD_PAUSE = 0.5


class Endpoint:
    """A live model server. A `Translator`, and a context manager that stops what it was deployed as.

    Attributes:
        url: Base URL of its OpenAI-compatible API, ending in `/v1`.
        model: The model's name in that API.
        name: What reports call it.
        run: The run that serves it; None for a server that is not ours, which is never stopped.
        keep: Whether leaving the `with` block leaves the server up, as somebody else started it.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model: str = "llm",
        name: str = "Fine-tuned",
        system: str = SYSTEM_PROMPT,
        max_tokens: int = 128,
        timeout: float = 60.0,
        cold_timeout: float = 0.0,
        run: Run[Endpoint] | None = None,
    ) -> None:
        """Make a client of a server; nothing is sent yet.

        Args:
            url: Base URL of an OpenAI-compatible API, ending in `/v1`.
            api_key: What the server asks for.
            model: The model's name in that API.
            name: What reports call it.
            system: The system message of every request; it must be the one of the training data.
            max_tokens: Tokens of the longest answer.
            timeout: Seconds until a request is given up.
            cold_timeout: Seconds to wait for a server that answers 503 because it is scaled to zero.
            run: The run that serves it.
        """
        self.url = url
        self.model = model
        self.name = name
        self.run = run
        self.keep = False
        self._key = api_key
        self._system = system
        self._max_tokens = max_tokens
        self._cold_timeout = cold_timeout
        self._client = connect(url, api_key=api_key, timeout=timeout)

    @property
    def api_key(self) -> str | None:
        """What the server asks for; never shown by `repr`."""
        return self._key

    def translate(self, question: str) -> Translation:
        """The model's query for a question: one request, greedy decoding, no retry.

        Where the server is starting, its start is waited for first.

        Raises:
            EndpointUnavailable: The server did not answer; asking again may help.
            EndpointError: It refused the request, or its answer is not one.
            ConfigError: The URL is not one, or the key cannot be sent.
        """
        deadline = time.monotonic() + self._cold_timeout
        while True:
            try:
                return self._ask(question)
            except EndpointUnavailable as error:
                if error.status != _STARTING or time.monotonic() > deadline:
                    raise
            time.sleep(_COLD_PAUSE)

    def _ask(self, question: str) -> Translation:
        return ask(
            self._client,
            self.model,
            [*prompt(question, system=self._system)],
            max_tokens=self._max_tokens,
            temperature=0.0,
            chat_template_kwargs=CHAT_TEMPLATE_KWARGS,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides its answers, as plain values."""
        # A run may be served at another address the next time; it is the same model.
        place = {"url": self._client.place} if self.run is None else {"run": self.run.run_id}
        return {
            **place,
            "model": self.model,
            "system": self._system,
            "max_tokens": self._max_tokens,
            "temperature": 0.0,
        }

    def stop(self) -> None:
        """Stop the server, if it is ours. Idempotent."""
        if self.run is not None:
            self.run.cancel()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.keep:
            self.stop()

    def __repr__(self) -> str:
        return f"<Endpoint {self.url} model={self.model!r}>"
