"""What exists in the loopback Modal."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from pathlib import Path
from typing import Any

from attrs import define, field
from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from .faults import Faults


@define
class App:
    """An app: `functions` maps names to function ids."""

    name: str
    state: Any
    functions: dict[str, str] = field(factory=dict)
    tags: dict[str, str] = field(factory=dict)
    created: float = field(factory=time.time)
    version: int = 0
    deployed: int = 0


@define
class Fn:
    """A function or a server, as deployed last."""

    app_id: str
    definition: Any = field(factory=pb.Function)
    busy: int = 0
    questions: int = 0
    last_request: float = 0.0
    starting: asyncio.Lock = field(factory=asyncio.Lock)


@define
class Call:
    """A spawned call and its one input; `output` is set once it has ended."""

    call_id: str
    fn_id: str
    input: Any
    invocation: Any
    tries: int = 0
    task: str | None = None
    output: Any = None
    done: asyncio.Event = field(factory=asyncio.Event)

    @property
    def input_id(self) -> str:
        return f"in-{self.call_id}"


@define
class Container:
    """A container that was started; `call_id` is None where it serves."""

    task: str
    fn_id: str
    call_id: str | None
    folder: Path
    process: Any = None
    views: dict[str, Any] = field(factory=dict)
    given: bool = False
    ready: bool = False
    stopping: bool = False
    status: Any = None
    preempted: bool = False
    started: float = field(factory=time.time)
    ended: float | None = None

    @property
    def arguments(self) -> str:
        """The file that the runtime reads what it is to do from."""
        return str(self.folder / "arguments")

    @property
    def is_alive(self) -> bool:
        return self.ended is None


class World:
    """Everything, by its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = ("ak-loopback", "as-loopback")
        self.workspace = "loopback-ws"
        self.rates: dict[str, str] = {}
        self.clock_skew = 0.0
        self.cold_seconds = 0.0
        self.grace = 5.0
        self.overlay = ""
        self.http = self.grpc = ""
        self.faults = Faults()
        self.lost: dict[str, list[Any]] = {}
        self.secrets: dict[str, tuple[str, dict[str, str]]] = {}
        self.volumes: dict[str, str] = {}
        self.images: dict[str, list[str]] = {}
        self.mounts: dict[str, dict[str, str]] = {}
        self.files: dict[str, bytes] = {}
        self.uploaded: list[int] = []
        self.apps: dict[str, App] = {}
        self.functions: dict[str, Fn] = {}
        self.calls: dict[str, Call] = {}
        self.containers: dict[str, Container] = {}
        self.proxy_tokens: dict[str, str] = {}
        self.logs: list[tuple[str, str, Any]] = []
        self.rpcs: dict[str, int] = {}
        self._numbers = itertools.count(1)
        for name in ("blocks", "volumes", "containers"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers)}"

    def app_named(self, name: str) -> tuple[str, App] | None:
        """The deployed app of a name."""
        for app_id, app in self.apps.items():
            if app.name == name and app.state == pb.APP_STATE_DEPLOYED:
                return app_id, app
        return None

    def alive(self, fn_id: str) -> list[Container]:
        return [c for c in self.containers.values() if c.fn_id == fn_id and c.is_alive]

    def volume_folder(self, volume_id: str) -> Path:
        name = next((name for name, each in self.volumes.items() if each == volume_id), None)
        if name is None:
            raise missing(f"Volume {volume_id}")
        return self.folder / "volumes" / name

    def container(self, task: str | None) -> Container:
        if task not in self.containers:
            raise missing(f"Task {task}")
        return self.containers[task or ""]


def missing(what: str) -> GRPCError:
    return GRPCError(Status.NOT_FOUND, f"{what} not found")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def clean_environment() -> dict[str, str]:
    """The machine's environment without what a container must not inherit."""
    private = ("MODAL_", "HF_", "WANDB_", "NLS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(private)}
