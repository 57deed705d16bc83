"""Web endpoints: cold on the first request, scaled to zero when idle, locked unless they say otherwise."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import aiohttp
from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2 as pb

from .containers import Containers
from .world import Container, Fn, missing

_HOP = frozenset({"host", "content-length", "transfer-encoding", "content-encoding", "connection"})
_DEFAULT_WINDOW = 60
_QUEUED = 150.0


class Endpoints(Containers):
    """The router in front of servers (503 while cold, 429 when full) and of web functions (which queue)."""

    async def WebhookTokenCreate(self, r: Any, task: str | None) -> Any:
        token = self.new_id("wk")
        self.proxy_tokens[token] = r.name
        return pb.TokenCreateResponse(token_id=token, token_secret=_secret(token))

    async def WebhookTokenList(self, r: Any, task: str | None) -> Any:
        tokens = [pb.WebhookToken(token_id=token, name=name) for token, name in self.proxy_tokens.items()]
        return pb.WebhookTokenListResponse(tokens=tokens)

    async def WebhookTokenDelete(self, r: Any, task: str | None) -> Any:
        if self.proxy_tokens.pop(r.token_id, None) is None:
            raise missing(f"Token {r.token_id}")
        return Empty()

    async def http_web(self, request: web.Request) -> web.StreamResponse:
        """Answer for a function's URL, `/web/FUNCTION/…`."""
        fn = self.functions.get(request.match_info["fn"])
        if fn is None or self.apps[fn.app_id].state != pb.APP_STATE_DEPLOYED:
            return web.Response(status=404, text="modal-http: app not found or stopped")
        if self._is_locked(fn) and not self._has_key(request):
            return web.Response(status=401, text="modal-http: missing credentials for proxy authorization")
        container = self._ready(request.match_info["fn"])
        if container is None:
            self.keep(self._scale_up(request.match_info["fn"]))
            if fn.definition.is_server:
                return web.Response(status=503, text="modal-http: no container is ready")
            container = await self._wait_for_one(request.match_info["fn"])
            if container is None:
                return web.Response(status=500, text="modal-http: the container failed to start")
        limit = fn.definition.max_concurrent_inputs if fn.definition.is_server else 0
        if limit and fn.busy >= limit:
            return web.Response(status=429, text="modal-http: too many requests")
        fn.busy += 1
        fn.questions += request.method == "POST"
        try:
            return await self._forward(request, fn)
        finally:
            fn.busy -= 1
            fn.last_request = time.monotonic()

    def _is_locked(self, fn: Fn) -> bool:
        definition = fn.definition
        if definition.is_server:
            return not definition.http_config.unauthenticated
        return bool(definition.webhook_config.requires_proxy_auth)

    def _has_key(self, request: web.Request) -> bool:
        token, _, secret = request.headers.get("Authorization", "").removeprefix("Bearer ").partition(".")
        token = request.headers.get("Modal-Key", token)
        return token in self.proxy_tokens and _secret(token) == request.headers.get("Modal-Secret", secret)

    def _ready(self, fn_id: str) -> Container | None:
        return next((c for c in self.alive(fn_id) if c.ready and not c.stopping), None)

    async def _scale_up(self, fn_id: str) -> None:
        """Start a container if there is none, and see that it gets ready in time."""
        fn = self.functions[fn_id]
        if fn.starting.locked():
            return
        async with fn.starting:
            if self.alive(fn_id):
                return
            container = await self.start_container(fn_id)
            deadline = time.monotonic() + self._startup_timeout(fn)
            while container.is_alive and time.monotonic() < deadline:
                by_itself = container.ready or not fn.definition.is_server
                if by_itself and await _accepts(_port(fn)):
                    container.ready = True
                    fn.last_request = time.monotonic()
                    return
                await asyncio.sleep(0.05)
            await self.end(container, number=signal.SIGKILL, grace=0.0)

    async def _wait_for_one(self, fn_id: str) -> Container | None:
        deadline = time.monotonic() + _QUEUED
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            if container := self._ready(fn_id):
                return container
            if not self.functions[fn_id].starting.locked() and not self.alive(fn_id):
                return None
        return None

    def _startup_timeout(self, fn: Fn) -> float:
        definition = fn.definition
        return float(
            definition.http_config.startup_timeout
            or definition.webhook_config.web_server_startup_timeout
            or 30
        )

    async def _forward(self, request: web.Request, fn: Fn) -> web.StreamResponse:
        url = f"http://127.0.0.1:{_port(fn)}/{request.match_info['tail']}"
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        session: aiohttp.ClientSession = self.__dict__["session"]
        try:
            async with session.request(
                request.method, url, params=request.query, data=await request.read(), headers=headers
            ) as upstream:
                kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP}
                answer = web.StreamResponse(status=upstream.status, headers=kept)
                await answer.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await answer.write(chunk)
                return answer
        except aiohttp.ClientError:
            return web.Response(status=502, text="modal-http: the container broke the connection")

    async def reap(self) -> None:
        """Scale idle servers down, for ever."""
        while True:
            await asyncio.sleep(0.25)
            for fn_id, fn in list(self.functions.items()):
                settings = fn.definition.autoscaler_settings
                window = settings.scaledown_window or _DEFAULT_WINDOW
                idle = [c for c in self.alive(fn_id) if c.call_id is None and c.ready and not c.stopping]
                if fn.busy or settings.min_containers or time.monotonic() - fn.last_request < window:
                    continue
                for container in idle:
                    container.stopping = True
                    self.keep(self.end(container, number=signal.SIGTERM, grace=self.grace))


def _secret(token: str) -> str:
    return f"ws-{token}"


def _port(fn: Fn) -> int:
    return int(fn.definition.http_config.port or fn.definition.webhook_config.web_server_port)


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
