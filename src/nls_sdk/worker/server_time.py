"""The server's own time for a request, in a header of the answer, whichever server it is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..chat import SERVER_TIME_HEADER

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_HEADER = SERVER_TIME_HEADER.encode()


class ServerTime:
    """ASGI middleware that says how many milliseconds passed until the answer began.

    An answer that is not streamed begins when it is whole.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = b"%.2f" % ((time.perf_counter() - start) * 1000)
                message["headers"] = [*message.get("headers", ()), (_HEADER, spent)]
            await send(message)

        return await self._app(scope, receive, timed)
