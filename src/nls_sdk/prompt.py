"""What the model is told: the one prompt that training, serving and every baseline share."""

from __future__ import annotations

from typing import TypedDict

SYSTEM_PROMPT = "Convert natural language to Sourcegraph query."

CHAT_TEMPLATE_KWARGS: dict[str, bool] = {"enable_thinking": False}
"""What the chat template is rendered with, in training and in serving alike (Qwen3 thinks otherwise)."""


class Message(TypedDict):
    """One message of a chat, in OpenAI's form."""

    role: str
    content: str


def prompt(question: str, *, system: str = SYSTEM_PROMPT) -> list[Message]:
    """The messages that ask for the query of `question`.

    An empty `system` leaves the system message out.
    """
    user = Message(role="user", content=question)
    return [Message(role="system", content=system), user] if system else [user]
