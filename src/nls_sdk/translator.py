"""The translator contract: anything that answers a question with a query, a model or a baseline."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Translation(str):
    """A query, as text, that also knows what the server told of it.

    Attributes:
        server_seconds: The server's own time for the answer, the network left out; None when not told.
        finish_reason: Why the model stopped: `stop`, `length`, or None when not told.
        model: The model that answered, as the server names it; None when not told.
        tokens_in: Tokens of the prompt; None when not told.
        tokens_out: Tokens of the answer; None when not told.
    """

    server_seconds: float | None
    finish_reason: str | None
    model: str | None
    tokens_in: int | None
    tokens_out: int | None

    def __new__(
        cls,
        text: str,
        *,
        server_seconds: float | None = None,
        finish_reason: str | None = None,
        model: str | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
    ) -> Translation:
        """Make a translation from its text."""
        self = super().__new__(cls, text)
        self.server_seconds = server_seconds
        self.finish_reason = finish_reason
        self.model = model
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        return self

    def with_text(self, text: str) -> Translation:
        """Another text, with all else that was told of this one."""
        return Translation(text, **vars(self))


@runtime_checkable
class Translator(Protocol):
    """Answers a question with a query. Made by a baseline plugin's entry point, or an `Endpoint`.

    It may tell more of itself, in attributes that an evaluation looks for: `parameters`, a mapping of plain
    values that decide its answers (model, prompt, temperature), and `notice`, a sentence to say aloud.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def translate(self, question: str) -> str:
        """The query for a question; a `Translation` where the server's own time is known.

        Called from several threads at once.

        Raises:
            NlsError: There is no answer. `retryable` says whether asking again may help.
        """
        ...
