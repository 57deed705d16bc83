"""Requests to an OpenAI-compatible chat API, with their failures as this package's errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from .errors import ConfigError, EndpointError, EndpointUnavailable
from .prompt import Message
from .translator import Translation

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

SERVER_TIME_HEADER = "x-server-time-ms"
_BUSY = frozenset({408, 409, 425, 429})
_NO_KEY = "none"


def connect(url: str, *, api_key: str | None = None, timeout: float) -> OpenAI:
    """Make a client that does not retry on its own; nothing is sent yet.

    A server on this machine is asked directly, whatever proxies the environment names.

    Args:
        url: Base URL of an OpenAI-compatible API, ending in `/v1`.
        api_key: What the server asks for; None when it asks for nothing.
        timeout: Seconds until a request is given up.

    Raises:
        ConfigError: The URL is not one, or the key cannot be sent.
    """
    host = _host(url)
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigError(
            f"The API key for {_place(url)} holds a character that cannot be sent.",
            hint="Look for a space, a line end or a typographic quote in it.",
        )
    from openai import DefaultHttpxClient, OpenAI

    direct = DefaultHttpxClient(trust_env=False, timeout=timeout) if _is_loopback(host) else None
    return OpenAI(
        base_url=url, api_key=api_key or _NO_KEY, timeout=timeout, max_retries=0, http_client=direct
    )


def ask(client: OpenAI, model: str, messages: Sequence[Message], **options: Any) -> Translation:
    """Ask for one completion and return its text.

    Args:
        client: Whom to ask; see `connect`.
        model: The model's name in that API.
        messages: The conversation so far.
        options: Passed to `chat.completions.create`.

    Raises:
        EndpointUnavailable: No answer, a time-out, 429 or a server error; asking again may help.
        EndpointError: The request was refused, or the answer is not a completion.
    """
    import openai

    place = _place(str(client.base_url))
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=cast(Any, list(messages)),
            **options,
        )
        completion = raw.parse()
        choice = completion.choices[0]
        text = choice.message.content
    except UnicodeEncodeError:
        raise EndpointError("The question holds text that cannot be sent as UTF-8.") from None
    except openai.APITimeoutError:
        raise EndpointUnavailable(f"{place}: no answer within {client.timeout} s.") from None
    except openai.APIConnectionError as error:
        raise EndpointUnavailable(f"{place}: no answer: {error.__cause__ or error}.") from None
    except openai.APIStatusError as error:
        raise _refusal(error, place, model, client.api_key) from None
    except (openai.OpenAIError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
        raise EndpointError(
            f"{place}: the answer is not a completion: {type(error).__name__}.",
            hint="The URL should be that of an OpenAI-compatible API, ending in /v1.",
        ) from None
    if not isinstance(text, str):
        raise EndpointError(f"{place}: the answer holds no text.")
    return Translation(
        text.strip(), server_seconds=_server_seconds(raw.headers), finish_reason=choice.finish_reason
    )


def _refusal(error: APIStatusError, place: str, model: str, key: str) -> EndpointError:
    code = error.status_code
    said = error.message.removeprefix(f"Error code: {code}").removeprefix(" - ")
    # A server may repeat the key it was sent; errors are logged, so they must not. Masked before the text
    # is cut, or half a key would stay.
    said = (said if key == _NO_KEY else said.replace(key, "***"))[:300]
    message = f"{place}: answered {code}{f': {said}' if said else ''}"
    if code in _BUSY or code >= 500:
        return EndpointUnavailable(message, status=code)
    match code:
        case 401:
            return EndpointError(f"{place}: the API key is wrong or missing (401).")
        case 404:
            hint = f"Is there a model {model!r}, and does the URL end in /v1?"
            return EndpointError(message, hint=hint)
        case _:
            return EndpointError(message)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.hostname
    except ValueError:
        pass
    raise ConfigError(
        f"{url.rpartition('@')[2]!r} is not a base URL.", hint="It looks like http://127.0.0.1:8000/v1."
    )


def _place(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _server_seconds(headers: Any) -> float | None:
    try:
        seconds = float(headers[SERVER_TIME_HEADER]) / 1000
    except (KeyError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
