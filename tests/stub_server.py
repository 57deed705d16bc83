"""A real OpenAI-compatible server on loopback: it answers what it is told to, and keeps the requests.

with StubServer(status(429), "lang:go") as server:
    endpoint = Endpoint(server.url)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from attrs import field, frozen


@frozen
class Raw:
    """A reply as it goes over the wire."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(factory=dict)
    cut: bool = False
    """Whether the connection is closed before the body is whole."""


@frozen
class Hang:
    """No reply before the server is closed."""


Reply: TypeAlias = str | Raw | Hang
Script: TypeAlias = Callable[[str], Reply]


def completion(text: str | None, **headers: str) -> Raw:
    """A chat completion with this text."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "stub"}
    return Raw(json.dumps({**body, "choices": [choice], "usage": usage}).encode(), headers=headers)


def status(code: int, message: str = "no") -> Raw:
    """An error in OpenAI's form."""
    return Raw(json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode(), code)


CUT = Raw(completion("lang:go").body, cut=True)
HALF_JSON = Raw(completion("lang:go").body[:40])
EMPTY = Raw(b"")
HTML = Raw(b"<html>Sign in</html>", content_type="text/html")


@frozen
class Asked:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def question(self) -> str:
        """What the user's last message says."""
        return str(self.body["messages"][-1]["content"])


class StubServer:
    """Gives the replies of its script in turn, the last one for ever; or asks a function for each.

    With a `key`, requests without it get 401.
    """

    def __init__(self, *replies: Reply | Script, key: str | None = None) -> None:
        self.asked: list[Asked] = []
        self._replies, self._key = list(replies), key
        self._lock, self._closed = threading.Lock(), threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub._answer(self)

            def do_GET(self) -> None:
                stub._answer(self)

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> StubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers.get("content-length", 0))) or b"{}")
        asked = Asked(request.path, {k.lower(): v for k, v in request.headers.items()}, body)
        with self._lock:
            self.asked.append(asked)
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if callable(reply):
            reply = reply(asked.question)
        if self._key is not None and asked.headers.get("authorization") != f"Bearer {self._key}":
            reply = status(401, f"Incorrect API key provided: {asked.headers.get('authorization')}")
        if request.path.partition("?")[0] not in ("/v1/chat/completions", "/v1/models"):
            reply = status(404)
        match reply:
            case Hang():
                self._closed.wait()
            case str():
                _send(request, completion(reply))
            case _:
                _send(request, reply)


def _send(request: BaseHTTPRequestHandler, reply: Raw) -> None:
    request.send_response(reply.status)
    request.send_header("content-type", reply.content_type)
    request.send_header("content-length", str(len(reply.body)))
    for name, value in reply.headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
    request.close_connection = True
