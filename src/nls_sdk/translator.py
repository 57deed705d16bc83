"""The translator contract: anything that answers a question with a query, a model or a baseline."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


class Translation(str):
    """A query, as text, that also knows what is known of it.

    Attributes:
        seconds: From the request to the answer, at the client; None when not measured.
        server_seconds: The server's own time for the answer, the network left out; None when not told.
        finish_reason: Why the model stopped: `stop`, `length`, or None when not told.
        model: The model that answered, as the server names it; None when not told.
        tokens_in: Tokens of the prompt; None when not told.
        tokens_out: Tokens of the answer; None when not told.
        fault: Why Sourcegraph would refuse the model's own answer; None when it would not, or nobody looked.
        refused: That answer, where this text was made in its place.
    """

    seconds: float | None
    server_seconds: float | None
    finish_reason: str | None
    model: str | None
    tokens_in: int | None
    tokens_out: int | None
    fault: str | None
    refused: str | None

    def __new__(
        cls,
        text: str,
        *,
        seconds: float | None = None,
        server_seconds: float | None = None,
        finish_reason: str | None = None,
        model: str | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        fault: str | None = None,
        refused: str | None = None,
    ) -> Translation:
        """Make a translation from its text."""
        self = super().__new__(cls, text)
        self.seconds = seconds
        self.server_seconds = server_seconds
        self.finish_reason = finish_reason
        self.model = model
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.fault = fault
        self.refused = refused
        return self

    @property
    def network_seconds(self) -> float | None:
        """What the way there and back took; None when the server did not tell its own time."""
        if self.seconds is None or self.server_seconds is None:
            return None
        return max(0.0, self.seconds - self.server_seconds)

    def with_text(self, text: str) -> Translation:
        """Another text, with all else that is known of this one."""
        return Translation(text, **vars(self))

    def but(self, **changes: Any) -> Translation:
        """The same text, with other attributes."""
        return Translation(self, **{**vars(self), **changes})


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
