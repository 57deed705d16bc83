"""`python -m loopback FOLDER`: everything behind one gRPC port and one HTTP port, told in FOLDER/env.json."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import grpclib.server
from aiohttp import web
from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb
from modal_proto.api_grpc import ModalClientBase

from .ambushes import Ambushes
from .control import Account, Builds
from .volumes import Volumes
from .world import Container, World, missing


class Modal(Account, Builds, Volumes, Ambushes):
    """The whole of it, and the levers that tests pull."""

    def check(self, metadata: Any) -> str | None:
        """Who sent a request: a container's task id, or None for the account's own client."""
        if metadata.get("x-modal-client-type") == str(pb.CLIENT_TYPE_CONTAINER):
            task = metadata.get("x-loopback-task")
            if task not in self.containers:
                raise GRPCError(Status.UNAUTHENTICATED, "unknown task")
            return str(task)
        if (metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret")) != self.token:
            raise GRPCError(Status.UNAUTHENTICATED, "Token ID or secret is malformed or unknown")
        return None

    def caller(self, task: str | None) -> str:
        """Who sent a request, in words that are the same each time."""
        if task is None:
            return "client"
        mine = self.containers[task]
        earlier = [c for c in self.containers.values() if c.fn_id == mine.fn_id]
        return f"{self.functions[mine.fn_id].definition.function_name} {earlier.index(mine)}"

    async def http_state(self, request: web.Request) -> web.Response:
        """What tests look at."""
        containers = [
            {
                "task": c.task,
                "app": self.apps[fn.app_id].name,
                "function": fn.definition.function_name,
                "gpu": fn.definition.resources.gpu_config.gpu_type,
                "gpus": fn.definition.resources.gpu_config.count,
                "milli_cpu": [fn.definition.resources.milli_cpu, fn.definition.resources.milli_cpu_max],
                "memory_mb": [fn.definition.resources.memory_mb, fn.definition.resources.memory_mb_max],
                "scaling": [scale.min_containers, scale.max_containers, scale.scaledown_window],
                "call": c.call_id,
                "alive": c.is_alive,
                "ready": c.ready,
                "log": str(c.folder / "log"),
            }
            for c in self.containers.values()
            for fn in [self.functions[c.fn_id]]
            for scale in [fn.definition.autoscaler_settings]
        ]
        apps = {
            app_id: {"name": a.name, "deployed": a.deployed, "tags": a.tags, "state": a.state}
            for app_id, a in self.apps.items()
        }
        state = {
            "containers": containers,
            "apps": apps,
            "rpcs": self.rpcs,
            "callers": self.callers,
            "images": self.images,
            "uploaded": self.uploaded,
            "struck": self.faults.struck,
            "proxy_tokens": self.proxy_tokens,
        }
        return web.json_response(state)

    async def http_lever(self, request: web.Request) -> web.Response:
        """Pull a lever: preempt or kill a container, set faults, change the account."""
        values = await request.json()
        match request.match_info["lever"]:
            case "preempt":
                self.keep(self.preempt(self._newest(values)))
            case "kill":
                self.kill(self._newest(values))
            case "faults":
                self.faults.set(**values)
            case "settings":
                for name, value in values.items():
                    assert hasattr(World, name) or name in self.__dict__, name
                    setattr(self, name, value)
            case "secret":
                self.secrets[values["name"]] = (f"st-{values['name']}", values["values"])
            case "forget-secret":
                self.secrets.pop(values["name"], None)
            case _:
                return web.Response(status=404)
        return web.json_response({})

    def _newest(self, values: dict[str, Any]) -> Container:
        found = [c for c in self.containers.values() if c.is_alive and c.process is not None]
        if task := values.get("task"):
            found = [c for c in found if c.task == task]
        if call := values.get("call"):
            found = [c for c in found if c.call_id == call]
        if name := values.get("function"):
            found = [c for c in found if self.functions[c.fn_id].definition.function_name == name]
        if not found:
            raise web.HTTPConflict(text="no such container lives")
        return found[-1]


def _handler(name: str) -> Any:
    """A plain `async def Rpc(self, request, task)`, or an async generator, as gRPC calls it."""
    plain = getattr(Modal, name, None)

    async def handle(world: Modal, stream: Any) -> None:
        request = await stream.recv_message()
        task = world.check(stream.metadata)
        world.rpcs[name] = world.rpcs.get(name, 0) + 1
        asked = f"{'container' if task else 'client'}/{name}"
        world.callers[asked] = world.callers.get(asked, 0) + 1
        if plain is None:
            raise GRPCError(Status.UNIMPLEMENTED, f"{name} is not in the loopback Modal")
        key = str(stream.metadata.get("x-idempotency-key", ""))
        if (messages := world.lost.pop(key, None)) is not None:
            # A request that is repeated because its answer was lost is not done twice.
            for message in messages:
                await stream.send_message(message)
            return
        rule = None if name in _KNOW_THEIR_FAULTS else world.faults.strike(name, world.caller(task))
        match rule and rule.kind:
            case "unavailable":
                raise GRPCError(Status.UNAVAILABLE, f"{name}: the service is unavailable")
            case "gone":
                raise missing(name)
            case "drop":
                await stream.cancel()
                return
            case "slow":
                assert rule
                await asyncio.sleep(rule.seconds)
        answer = plain(world, request, task)
        messages = [each async for each in answer] if hasattr(answer, "__aiter__") else [await answer]
        if rule and rule.kind == "lost":
            if key:
                world.lost[key] = messages
            await stream.cancel()
            return
        for message in messages:
            await stream.send_message(message)

    return handle


_KNOW_THEIR_FAULTS = frozenset({"VolumeCommit", "ContainerCheckpoint"})
_RPCS = tuple(ModalClientBase.__abstractmethods__)


def _service(world: Modal) -> Any:
    """The gRPC service, with a handler for every RPC that there is."""
    members = {name: _bound(name, world) for name in _RPCS}
    return type("Service", (ModalClientBase,), members)()


def _bound(name: str, world: Modal) -> Any:
    handle = _handler(name)

    async def method(service: Any, stream: Any) -> None:
        await handle(world, stream)

    return method


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def serve(folder: Path) -> None:
    """Serve until SIGTERM; then no container is left."""
    world = Modal(folder)
    http, grpc = _free_port(), _free_port()
    world.http, world.grpc = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}"
    world.__dict__["session"] = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
    app = web.Application(client_max_size=2**31)
    app.add_routes(
        [
            web.put("/block/{name}", world.http_put_block),
            web.get("/block/{name}", world.http_get_block),
            web.get("/file/{volume}/{at}/{size}/{path:.*}", world.http_get_file),
            web.get("/state", world.http_state),
            web.post("/lever/{lever}", world.http_lever),
            web.route("*", "/web/{fn}/{tail:.*}", world.http_web),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http).start()
    service = grpclib.server.Server([_service(world)])
    await service.start("127.0.0.1", grpc)
    world.keep(world.reap())
    world.keep(world.lie_in_wait())
    token_id, token_secret = world.token
    variables = {
        "MODAL_SERVER_URL": world.grpc,
        "MODAL_TOKEN_ID": token_id,
        "MODAL_TOKEN_SECRET": token_secret,
        "MODAL_CONFIG_PATH": str(folder / "modal.toml"),
        "MODAL_STREAMS_URL": "http://127.0.0.1:9",
    }
    told = folder / "env.json"
    told.with_suffix(".part").write_text(json.dumps({"http": world.http, "variables": variables}))
    told.with_suffix(".part").rename(told)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for container in world.containers.values():
        if container.is_alive:
            world.kill(container)
    os._exit(0)
