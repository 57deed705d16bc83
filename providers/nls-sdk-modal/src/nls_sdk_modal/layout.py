"""Where things lie on the runs Volume, for the client and the container alike.

    artifacts/DIGEST/content            what was pushed, by its content
    runs/NAME.KIND/…                    what `nls_sdk.rundir` says, written by containers alone
    runs/NAME.KIND/attempts/N/
        asked.json                      what is asked; writing it first claims the attempt      (client)
        api-key                         what a server asks for                                  (client)
        leases/CLIENT                   its time is that client's last sign of life             (client)
        detached                        that a server with leases outlives them after all       (client)
        call.json                       what Modal calls it: the call's id, the server's URL    (client)
        end.json                        how it ended, where no container could tell             (client)
        events/TASK.jsonl               what one machine told of it                             (container)
        containers/TASK.json            that machine's share of it                              (container)
    clocks/…                            what a client reads the Volume's clock by, and removes  (client)

Every file has one writer, and all of the client's but leases are written once: nothing is fought over. When
a client's file was written is told by the Volume, so that no laptop's clock decides over a run.
"""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import frozen

from nls_sdk.events import Progress
from nls_sdk.tasks import Task, dump_task, load_task

MOUNT = "/nls"
"""Where containers see the runs Volume: it is their home folder, in the worker's sense."""

CACHE = "/nls-cache"
"""Where they see the Volume of downloaded weights and compiled kernels."""


@frozen
class Attempt:
    """The files of one attempt, as paths on the Volume.

    Attributes:
        run_id: The run.
        number: From 1.
    """

    run_id: str
    number: int

    @property
    def folder(self) -> str:
        """All of its files."""
        return f"runs/{self.run_id}/attempts/{self.number}"

    @property
    def asked(self) -> str:
        """What is asked."""
        return f"{self.folder}/asked.json"

    @property
    def key(self) -> str:
        """What its server asks for."""
        return f"{self.folder}/api-key"

    @property
    def leases(self) -> str:
        """A file for each client that deploys the server or that it lives for, written again and again."""
        return f"{self.folder}/leases"

    @property
    def detached(self) -> str:
        """Written once somebody wants a server with leases to outlive them."""
        return f"{self.folder}/detached"

    @property
    def call(self) -> str:
        """What Modal calls it."""
        return f"{self.folder}/call.json"

    @property
    def end(self) -> str:
        """How it ended, where no container could tell."""
        return f"{self.folder}/end.json"

    @property
    def events(self) -> str:
        """What each of its machines told."""
        return f"{self.folder}/events"

    @property
    def containers(self) -> str:
        """The machines it ran on."""
        return f"{self.folder}/containers"


@frozen(kw_only=True)
class Asked:
    """What is asked of an attempt.

    Attributes:
        task: The task, as `nls_sdk.tasks.dump_task` writes it.
        created: When, in seconds since the epoch, on the client's clock.
        client: The process whose claim this is; its leases are called by it too.
        after: Number of the last event of the earlier attempts.
        app: The Modal app that does it.
        function: Its function or server.
        gpu: What it runs on; empty for a CPU.
        dollars_per_second: What that costs; None when unknown.
        seconds: Machine time after which it is stopped; None is no limit.
        limit: Why then, as `Cancelled` tells it.
        commit_seconds: How often a container commits what is new.
        device: What the worker is to work on; see `nls_sdk.worker`.
        port: Where a server listens.
        lease: Seconds that a server outlives its clients' last sign of life; 0 outlives them for good.
        proxy_auth: Whether Modal's router asks for a server's key, and the server does not.
        reached: How far a training's earlier attempts came; None while no step is done.
        spent: Machine time that earlier attempts at the same task took, in seconds.
        paid: What that cost in dollars; None when unknown.
    """

    task: dict[str, Any]
    created: float
    client: str
    after: int
    app: str
    function: str
    gpu: str
    dollars_per_second: float | None = None
    seconds: float | None = None
    limit: str = ""
    commit_seconds: float = 2.0
    device: str = "auto"
    port: int = 8000
    lease: float = 0.0
    proxy_auth: bool = False
    reached: Progress | None = None
    spent: float = 0.0
    paid: float | None = 0.0

    @property
    def gpus(self) -> int:
        """How many GPUs share a training: `H100:2` is two."""
        count = self.gpu.partition(":")[2]
        return int(count) if count.isdigit() else 1

    @classmethod
    def of(cls, task: Task, **more: Any) -> Asked:
        """What is asked by a task."""
        return cls(task=dump_task(task), **more)

    def read_task(self) -> Task:
        """The task itself.

        Raises:
            ValueError: It is another version's.
        """
        return load_task(self.task)


@frozen(kw_only=True)
class Call:
    """What Modal calls an attempt.

    Attributes:
        call_id: Id of the function call; empty for a server.
        app_id: Id of the server's app.
        url: Base URL of a server, without `/v1`.
    """

    call_id: str = ""
    app_id: str = ""
    url: str = ""


@frozen(kw_only=True)
class Machine:
    """One container's share of an attempt.

    Attributes:
        task: Modal's id of the container.
        call_id: The function call it worked for.
        started: When, in seconds since the epoch, on its own clock.
        seconds: How long it has run, by its own stopwatch, when it last wrote this.
        resumed_from: The step that a training went on from; None from the start.
        ended: How it ended: empty while it runs, `done`, `died` or `interrupted`.
    """

    task: str
    call_id: str
    started: float
    seconds: float = 0.0
    resumed_from: int | None = None
    ended: str = ""


def dump(value: Any) -> bytes:
    """A value of this module as JSON."""
    return msgspec.json.encode(value)


def parse(data: bytes, kind: type[Any]) -> Any:
    """Read back what `dump` wrote.

    Raises:
        msgspec.ValidationError: The bytes are not a `kind`.
    """
    return msgspec.json.decode(data, type=kind)
