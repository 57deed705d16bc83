"""The translator contract: anything that answers a question with a query, a model or a baseline."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Translation(str):
    """A query, as text, that also knows what the server told of it.

    Attributes:
        server_seconds: The server's own time for the answer, the network left out; None when not told.
        finish_reason: Why the model stopped: `stop`, `length`, or None when not told.
    """

    server_seconds: float | None
    finish_reason: str | None

    def __new__(
        cls, text: str, *, server_seconds: float | None = None, finish_reason: str | None = None
    ) -> Translation:
        """Make a translation from its text."""
        self = super().__new__(cls, text)
        self.server_seconds = server_seconds
        self.finish_reason = finish_reason
        return self


@runtime_checkable
class Translator(Protocol):
    """Answers a question with a query. Made by a baseline plugin's entry point, or an `Endpoint`."""

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
