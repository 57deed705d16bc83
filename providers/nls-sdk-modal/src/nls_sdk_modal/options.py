"""What a Modal provider can be told, checked before anything is sent."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Literal

import attrs
from attrs import frozen

from nls_sdk.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_GPU = re.compile(r"[A-Za-z][A-Za-z0-9-]*[!+]?(:[1-8])?")


@frozen(kw_only=True)
class Options:
    """Options of `nls_sdk.provider("modal", …)`.

    Attributes:
        gpu: What jobs and endpoints run on, such as `H100`, `A100-80GB`, `H100:2`; empty is a CPU.
        cpu: Physical cores that a machine has: reserved, paid for, and no more to be had.
        memory: MiB of memory that a machine has, in the same way.
        max_cost: Dollars of machine time after which a run is stopped; 0 is no limit.
        max_duration: Seconds of machine time after which a run is stopped; 0 is no limit.
        retries: How often Modal tries a training again whose machine or worker died.
        timeout: Seconds that one machine works at most on a job; Modal stops it then.
        router: What is in front of endpoints: Modal's `server`, or a `web_function`, which queues requests.
        scaledown_window: Seconds without a request after which an endpoint's machine is let go.
        max_containers: Machines that one endpoint has at most.
        concurrency: Requests that a machine answers at once; more are told to come back (429).
        startup_timeout: Seconds within which an endpoint's machine must answer.
        snapshot: Start an endpoint's machines from a snapshot of one that was ready; where what comes back
            does not answer, the server is started afresh. Alpha at Modal.
        proxy_auth: Have Modal's router ask for the key, so that a stranger's request starts no machine; each
            endpoint gets a proxy token of its own. Otherwise its server asks.
        routing_region: Where requests enter Modal.
        region: Where machines run, which costs more; empty is anywhere.
        environment: The Modal environment; empty is the account's default.
        app: Name of the apps of jobs; a hash of the code and the options that shape one follows it.
        serve_app: Name of the app of the endpoint; two endpoints at a time need two names.
        volume: Name of the Volume of runs.
        cache: Name of the Volume of downloaded weights and compiled kernels.
        port: Where servers listen in their containers.
        device: `cuda` fails where a machine shows no GPU; `auto` takes what there is.
        commit_seconds: How often a container makes its events and checkpoints known.
        lease: Seconds that a server outlives its client, unless it is detached.
        queue_timeout: Seconds that an endpoint may wait for its machine, beyond `startup_timeout`.
    """

    gpu: str = "H100"
    cpu: float = 4.0
    memory: int = 32768
    max_cost: float = 0.0
    max_duration: float = 0.0
    retries: int = 3
    timeout: int = 6 * 3600
    router: Literal["server", "web_function"] = "server"
    scaledown_window: int = 120
    max_containers: int = 1
    concurrency: int = 32
    startup_timeout: int = 900
    snapshot: bool = False
    proxy_auth: bool = False
    routing_region: str = "us-east"
    region: str = ""
    environment: str = ""
    app: str = "nls-finetune"
    serve_app: str = "nls-finetune-serve"
    volume: str = "nls-query-runs"
    cache: str = "nls-cache"
    port: int = 8000
    device: Literal["cuda", "auto"] = "cuda"
    commit_seconds: float = 2.0
    lease: float = 300.0
    queue_timeout: float = 120.0

    @classmethod
    def of(cls, values: dict[str, Any]) -> Options:
        """Read options.

        Raises:
            ConfigError: One is unknown, or has a wrong type or value.
        """
        known = {field.name: field for field in attrs.fields(cls)}
        for name, value in values.items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"They are {', '.join(known)}."
                raise ConfigError(f"The Modal provider has no option {name!r}.", hint=hint)
            values[name] = _typed(name, value, type(known[name].default))
        options = cls(**values)
        options._check()
        return options

    def _check(self) -> None:
        for name, (holds, rule) in _RULES.items():
            if not holds(getattr(self, name)):
                raise ConfigError(f"modal: {name} = {getattr(self, name)!r}, but it must be {rule}.")
        for name in ("app", "serve_app", "volume", "cache"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise ConfigError(f"modal: {name} = {getattr(self, name)!r} cannot be a name at Modal.")
        if self.snapshot and self.router != "server":
            raise ConfigError("modal: snapshot needs router = 'server': a web function has no snapshots.")


def _typed(name: str, value: Any, kind: type[Any]) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind is str and value in (None, False) and name == "gpu":
        return ""
    if type(value) is not kind:
        raise ConfigError(f"modal: {name} = {value!r}, but it must be {_KINDS[kind]}.")
    return value


_KINDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}

_RULES: dict[str, tuple[Any, str]] = {
    "gpu": (lambda v: not v or _GPU.fullmatch(v), "a GPU's name, with :2 to :8 for several, or empty"),
    "app": (lambda v: len(v) <= 54, "at most 54 characters, as a hash follows it"),
    "cpu": (lambda v: v >= 0.125, "0.125 cores or more"),
    "memory": (lambda v: v >= 128, "128 MiB or more"),
    "max_cost": (lambda v: v >= 0, "0 or more dollars"),
    "max_duration": (lambda v: v >= 0, "0 or more seconds"),
    "retries": (lambda v: 0 <= v <= 10, "from 0 to 10"),
    "timeout": (lambda v: 60 <= v <= 24 * 3600, "from 60 seconds to 24 hours"),
    "router": (lambda v: v in ("server", "web_function"), "server or web_function"),
    "scaledown_window": (lambda v: 2 <= v <= 1200, "from 2 to 1200 seconds"),
    "max_containers": (lambda v: 1 <= v <= 8, "from 1 to 8"),
    "concurrency": (lambda v: 1 <= v <= 1000, "from 1 to 1000"),
    "startup_timeout": (lambda v: 1 <= v <= 3600, "from 1 to 3600 seconds"),
    "routing_region": (lambda v: bool(v), "a region, such as us-east"),
    "port": (lambda v: 0 < v < 65536, "a port"),
    "device": (lambda v: v in ("cuda", "auto"), "cuda or auto"),
    "commit_seconds": (lambda v: 0 < v <= 60, "above 0 and at most 60"),
    "lease": (lambda v: v > 0, "above 0"),
    "queue_timeout": (lambda v: v >= 0, "0 or more seconds"),
}
