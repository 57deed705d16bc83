"""One request to an OpenAI-compatible chat API, with its failures as this package's errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from .errors import EndpointError, EndpointUnavailable
from .prompt import Message
from .translator import Translation

if TYPE_CHECKING:
    from openai import OpenAI

SERVER_TIME_HEADER = "x-server-time-ms"
_BUSY = frozenset({408, 409, 425, 429})


def ask(client: OpenAI, model: str, messages: Sequence[Message], **options: Any) -> Translation:
    """Ask for one completion and return its text.

    Args:
        client: Whom to ask; it should not retry on its own.
        model: The model's name in that API.
        messages: The conversation so far.
        options: Passed to `chat.completions.create`.

    Raises:
        EndpointUnavailable: No answer, a time-out, 429 or a server error; asking again may help.
        EndpointError: The request was refused, or the answer is not a completion.
    """
    import openai

    place = str(client.base_url)
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=cast(Any, list(messages)),
            **options,
        )
        completion = raw.parse()
        choice = completion.choices[0]
        text = choice.message.content
    except openai.APITimeoutError:
        raise EndpointUnavailable(f"{place}: no answer within {client.timeout} s.") from None
    except openai.APIConnectionError as error:
        raise EndpointUnavailable(f"{place}: cannot be reached: {error.__cause__ or error}.") from None
    except openai.AuthenticationError:
        raise EndpointError(f"{place}: the API key is wrong or missing (401).") from None
    except openai.NotFoundError:
        raise EndpointError(f"{place}: there is no model {model!r} there (404).") from None
    except openai.APIStatusError as error:
        busy = error.status_code in _BUSY or error.status_code >= 500
        family = EndpointUnavailable if busy else EndpointError
        raise family(f"{place}: answered {error.status_code}: {error.message[:300]}") from None
    except (openai.OpenAIError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
        raise EndpointError(f"{place}: the answer is not a completion: {type(error).__name__}.") from None
    if not isinstance(text, str):
        raise EndpointError(f"{place}: the answer holds no text.")
    return Translation(
        text.strip(), server_seconds=_server_seconds(raw.headers), finish_reason=choice.finish_reason
    )


def _server_seconds(headers: Any) -> float | None:
    try:
        return float(headers[SERVER_TIME_HEADER]) / 1000
    except (KeyError, ValueError):
        return None
