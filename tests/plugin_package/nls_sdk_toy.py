"""A provider and a baseline of a few lines, as a third party writes them."""

from __future__ import annotations

from nls_sdk.testing import FakeProvider


class ToyProvider(FakeProvider):
    """Pretends to run everything."""

    api_version = 1
    name = "toy"


class ToyBaseline:
    """Answers every question with its words."""

    api_version = 1

    def __init__(self, *, suffix: str = "") -> None:
        """Answer with a suffix."""
        self.name = "Toy"
        self._suffix = suffix

    def translate(self, question: str) -> str:
        """The question itself."""
        return f"{question}{self._suffix}"
