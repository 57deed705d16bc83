"""Requests to an OpenAI-compatible chat API, with their failures as this package's errors."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import perf_counter, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from attrs import field, frozen

from .connections import open_pool, origin_of, place_of
from .errors import ConfigError, EndpointError, EndpointUnavailable, require
from .prompt import Message
from .translator import Translation

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

SERVER_TIME_HEADER = "x-server-time-ms"
LONGEST_ANSWER = 1_000_000
"""Bytes of an answer, its JSON counted; no query is so long."""

_LONGEST_WAY = 20
"""How often a request that takes long is sent on, each time to wait again."""

_BUSY = frozenset({408, 409, 425, 429})


@frozen
class Chat:
    """A client of one API. It never retries; connections are kept, and threads may share it.

    Attributes:
        place: Base URL of the API, without user and password.
        timeout: Seconds of silence after which a request is given up.
    """

    place: str
    timeout: float
    _key: str | None = field(repr=False)
    _pool: PoolManager = field(repr=False)

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Send JSON; what comes back as status, headers and body.

        Raises:
            EndpointUnavailable: No answer, or a time-out; asking again may help.
            EndpointError: The request cannot be sent, or the answer is too long.
        """
        with self._sent("POST", path, body) as reply:
            return reply.status, reply.headers, self._read(reply)

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Ask for what is at a path; what comes back as status, headers and body.

        Raises:
            EndpointUnavailable: No answer, or a time-out; asking again may help.
            EndpointError: The answer is too long.
        """
        with self._sent("GET", path) as reply:
            return reply.status, reply.headers, self._read(reply)

    def stream(self, path: str, body: Mapping[str, Any], model: str) -> Iterator[dict[str, Any]]:
        """Send JSON; the events of the answer as they come.

        Closing the iterator ends the connection, and with it the server's work.

        Raises:
            EndpointUnavailable: No answer, a time-out, or an answer that breaks off.
            EndpointError: The request was refused, or the answer is no stream of events.
        """
        with self._sent("POST", path, body) as reply:
            if reply.status != 200:
                raise _refusal(self, reply.status, reply.headers, self._read(reply), model)
            ended = False
            try:
                for line in _lines(reply, self.place):
                    if line == "data: [DONE]":
                        ended = True  # and what is left is read, so that the connection can be used again
                    elif line.startswith("data:") and not ended:
                        yield _event(line.removeprefix("data:"), self)
            finally:
                if not ended:
                    reply.close()
            if not ended:
                raise EndpointUnavailable(f"{self.place}: the answer broke off.")

    @contextmanager
    def _sent(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Iterator[BaseHTTPResponse]:
        from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, TimeoutError

        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            sent = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise EndpointError("The question holds text that cannot be sent as UTF-8.") from None
        try:
            how: dict[str, Any] = {"retries": False, "redirect": False, "preload_content": False}
            reply = self._pool.request(method, f"{self.place}{path}", body=sent, headers=headers, **how)
            for _ in range(_LONGEST_WAY):
                if (onward := self._onward(reply)) is None:
                    break
                reply.drain_conn()
                reply = self._pool.request("GET", onward, headers=headers, **how)
            try:
                yield reply
            finally:
                reply.release_conn()
        except NewConnectionError as error:  # a TimeoutError to urllib3, though nobody has waited
            raise EndpointUnavailable(f"{self.place}: no answer: {_reason(error)}.") from None
        except TimeoutError:
            raise EndpointUnavailable(f"{self.place}: no answer within {self.timeout} s.") from None
        except ProtocolError as error:
            raise EndpointUnavailable(f"{self.place}: no answer: {error.args[-1]}.") from None
        except (HTTPError, OSError) as error:
            raise EndpointUnavailable(f"{self.place}: no answer: {_reason(error)}.") from None

    def _onward(self, reply: BaseHTTPResponse) -> str | None:
        """Where the answer to a request that takes long is to be fetched; None where it is here.

        Raises:
            EndpointError: At another server, to which the key does not belong.
        """
        if reply.status != 303 or not (location := reply.headers.get("location")):
            return None
        onward = urljoin(f"{self.place}/", location)
        if origin_of(onward) != origin_of(self.place):
            reply.drain_conn()
            raise EndpointError(
                f"{self.place}: it sends on to another server, which is not asked.",
                hint="Give that server's own base URL, if it is meant.",
            )
        return onward

    def _read(self, reply: BaseHTTPResponse) -> bytes:
        body = reply.read(LONGEST_ANSWER + 1, decode_content=True)
        if len(body) > LONGEST_ANSWER:
            reply.close()
            raise EndpointError(f"{self.place}: the answer is longer than {LONGEST_ANSWER:,} bytes.")
        return body

    def mask(self, text: str) -> str:
        """Text without the key; a server may repeat what it was sent."""
        return text.replace(self._key, "***") if self._key else text


def connect(url: str, *, api_key: str | None = None, timeout: float) -> Chat:
    """Make a client; nothing is sent yet.

    A server on this machine is asked directly, whatever proxies the environment names.

    Args:
        url: Base URL of an OpenAI-compatible API, ending in `/v1`.
        api_key: What the server asks for; None when it asks for nothing.
        timeout: Seconds of silence after which a request is given up.

    Raises:
        ConfigError: The URL or the timeout is not one, or the key cannot be sent.
    """
    if api_key is not None:
        require(api_key, str, "The API key", "It is the text that the server was started with.")
    pool = open_pool(url, timeout=timeout)
    place = place_of(url)
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigError(
            f"The API key for {place} holds a character that cannot be sent.",
            hint="Look for a space, a line end or a typographic quote in it.",
        )
    return Chat(place, timeout, api_key or None, pool)


def ask(client: Chat, model: str, messages: Sequence[Message], **options: Any) -> Translation:
    """Ask for one completion and return its text.

    Args:
        client: Whom to ask; see `connect`.
        model: The model's name in that API.
        messages: The conversation so far.
        options: Further fields of the request, such as `max_tokens`.

    Raises:
        EndpointUnavailable: No answer, a time-out, 429 or a server error; asking again may help.
        EndpointError: The request was refused, or the answer is not a completion.
    """
    started = perf_counter()
    status, headers, body = client.post(
        "/chat/completions", {"model": model, "messages": list(messages), **options}
    )
    seconds = perf_counter() - started
    if status != 200:
        raise _refusal(client, status, headers, body, model)
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        text = choice["message"]["content"]
        finish_reason = choice.get("finish_reason")
    except (ValueError, TypeError, IndexError, AttributeError, KeyError, RecursionError) as error:
        raise EndpointError(
            f"{client.place}: the answer is not a completion: {type(error).__name__}.",
            hint="The URL should be that of an OpenAI-compatible API, ending in /v1.",
        ) from None
    if not isinstance(text, str):
        raise EndpointError(f"{client.place}: the answer holds no text.")
    usage = completion.get("usage")
    return Translation(
        text.strip(),
        seconds=seconds,
        server_seconds=_server_seconds(headers),
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        model=_text(completion.get("model")),
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
    )


def list_models(client: Chat) -> list[str]:
    """The names of the models that an API has.

    Raises:
        EndpointUnavailable: No answer, a time-out, 429 or a server error; asking again may help.
        EndpointError: The request was refused, or the answer is no list of models.
    """
    status, headers, body = client.get("/models")
    if status != 200:
        raise _refusal(client, status, headers, body, "")
    try:
        return [str(card["id"]) for card in json.loads(body)["data"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EndpointError(
            f"{client.place}: the answer is not a list of models: {type(error).__name__}.",
            hint="The URL should be that of an OpenAI-compatible API, ending in /v1.",
        ) from None


def ask_in_pieces(
    client: Chat, model: str, messages: Sequence[Message], **options: Any
) -> Generator[str, None, Translation]:
    """Ask for one completion and yield its text as it comes; the generator's value is the whole.

    Raises:
        EndpointUnavailable: No answer, a time-out, or an answer that breaks off; asking again may help.
        EndpointError: The request was refused, or the answer is not a completion.
    """
    started = perf_counter()
    pieces: list[str] = []
    told: dict[str, Any] = {"finish_reason": None, "model": None}
    usage: Any = None
    body = {"model": model, "messages": list(messages), "stream": True, **options}
    body["stream_options"] = {"include_usage": True}
    for event in client.stream("/chat/completions", body, model):
        told["model"] = _text(event.get("model")) or told["model"]
        usage = event.get("usage") or usage
        piece, reason = _delta(event, client.place)
        told["finish_reason"] = reason or told["finish_reason"]
        if piece:
            pieces.append(piece)
            yield piece
    return Translation(
        "".join(pieces).strip(),
        seconds=perf_counter() - started,
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
        **told,
    )


def _lines(reply: BaseHTTPResponse, place: str) -> Iterator[str]:
    """The lines of an answer as they come."""
    rest, size = b"", 0
    for data in reply.stream(None, decode_content=True):
        size += len(data)
        if size > LONGEST_ANSWER:
            raise EndpointError(f"{place}: the answer is longer than {LONGEST_ANSWER:,} bytes.")
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)


def _event(text: str, client: Chat) -> dict[str, Any]:
    try:
        event = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise EndpointError(f"{client.place}: the answer is not a stream of completions.") from None
    if event.get("error"):
        # The status was sent long ago, and a server ends such a stream as it ends a whole one.
        said = client.mask(_said(text.encode()))[:300]
        raise EndpointUnavailable(f"{client.place}: the answer broke off: {said}")
    return event


def _delta(event: Mapping[str, Any], place: str) -> tuple[str | None, str | None]:
    """The piece of text, and the reason why it is the last, that an event tells."""
    try:
        choice = (event.get("choices") or [{}])[0]
        return _text((choice.get("delta") or {}).get("content")), _text(choice.get("finish_reason"))
    except (TypeError, AttributeError, LookupError):
        raise EndpointError(f"{place}: the answer is not a stream of completions.") from None


def _refusal(client: Chat, status: int, headers: Mapping[str, str], body: bytes, model: str) -> EndpointError:
    # Masked before the text is cut, or half a key would stay: errors are logged.
    said = client.mask(_said(body))[:300]
    message = f"{client.place}: answered {status}{f': {said}' if said else ''}"
    if status in _BUSY or status >= 500:
        return EndpointUnavailable(message, status=status, retry_after=_retry_after(headers))
    match status:
        case 401:
            return EndpointError(f"{client.place}: the API key is wrong or missing (401).")
        case 404:
            hint = f"Is there a model {model!r}, and does" if model else "Does"
            hint += " the URL end in /v1?"
            return EndpointError(message, hint=hint)
        case _:
            return EndpointError(message)


def _said(body: bytes) -> str:
    """What an error's body says, in OpenAI's form or another."""
    text = body.decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for key in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(key):
            told = told[key]
    return told if isinstance(told, str) else text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, told as milliseconds, seconds or a date."""
    try:
        if "retry-after-ms" in headers:
            return _seconds(float(headers["retry-after-ms"]) / 1000)
        told = headers["retry-after"]
    except (KeyError, ValueError):
        return None
    try:
        return _seconds(float(told))
    except ValueError:
        pass
    try:
        return _seconds(max(0.0, parsedate_to_datetime(told).timestamp() - time()))
    except ValueError:
        return None


def _seconds(value: float) -> float | None:
    return value if math.isfinite(value) and value >= 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else None


def _server_seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return _seconds(float(headers[SERVER_TIME_HEADER]) / 1000)
    except (KeyError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """What the system says, or else urllib3, without the object it says it of."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(error).rpartition(">: ")[2] or type(error).__name__
