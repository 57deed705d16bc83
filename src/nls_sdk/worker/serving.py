"""Serve: a model behind an OpenAI-compatible API on this machine, until cancelled or idle."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from ..endpoint import Endpoint
from ..errors import ConfigError, NlsError, RunFailed
from ..events import Cancelled, Log, Ready
from ..prompt import CHAT_TEMPLATE_KWARGS
from ..rundir import RunDirectory, locate
from ..serve_config import ServeConfig
from ..tasks import Serve
from . import API_KEY_ENV
from .devices import DeviceName, choose_device
from .loading import fetch
from .telling import Tell
from .vllm_command import LocalAdapter, executable

LOOPBACK = "127.0.0.1"
_WARM_UP = (
    "python files with async functions",
    "commits by alice about flaky tests since last month",
    "where is the TODO about retries in github.com/acme/api?",
    "go files that mention a timeout, but no tests",
)


class IdleClock:
    """Knows for how long a server has had nothing to do; while a request runs it is not idle.

    Attributes:
        timeout: Seconds without a request after which the server should end; 0 is never.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._last = time.monotonic()
        self._running = 0
        self._lock = threading.Lock()

    def touch(self) -> None:
        """Note that the server is at work now."""
        self._last = time.monotonic()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Note a request for as long as it runs."""
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self.touch()

    @property
    def seconds_left(self) -> float:
        """Seconds until the server should end, at most 0 when it should now."""
        if self.timeout <= 0:
            return float("inf")
        with self._lock:
            return self.timeout if self._running else self._last + self.timeout - time.monotonic()

    @property
    def reason(self) -> str:
        """Why the server ended, as `Cancelled` tells it."""
        return f"idle for {self.timeout:g} s"


def serve(
    directory: RunDirectory, task: Serve, tell: Tell, device: DeviceName = "auto", *, host: str = LOOPBACK
) -> Cancelled:
    """Serve until the idle timeout; a signal ends it sooner.

    Args:
        directory: The run.
        task: What to serve.
        tell: Told when it is ready.
        device: What to serve on.
        host: The address to listen on.

    Raises:
        NlsError: The server does not come up, or dies; the message says why.
    """
    key = os.environ.pop(API_KEY_ENV, None)
    engine = choose_engine(task.config.engine, device)
    with bind(task.config.port, host) as listener:
        model = fetch(directory.resolve(task.model), tell)
        server = "vLLM on the GPU" if engine == "vllm" else "the worker's own server on the CPU"
        tell(Log(f"serving {model} with {server}"))
        adapters = tuple(
            LocalAdapter(adapter.name, locate(directory.home, adapter.artifact)) for adapter in task.adapters
        )
        if engine == "vllm":
            from .vllm_engine import serve_vllm

            return serve_vllm(
                model,
                task.config,
                listener,
                key,
                tell,
                caches=directory.home / "cache",
                adapters=adapters,
                served_as=task.served_as,
            )
        return _serve_here(model, task.config, listener, key, tell, adapters, task.served_as)


def choose_engine(
    wanted: Literal["auto", "vllm", "cpu"], device: DeviceName = "auto"
) -> Literal["vllm", "cpu"]:
    """The engine to serve with: vLLM where it is installed and there is a GPU, else our own, for a CPU.

    Raises:
        ConfigError: vLLM or a GPU is demanded, and vLLM cannot run here.
    """
    if wanted == "cpu":
        return wanted
    installed = executable() is not None
    if wanted == "auto" and device == "cuda" and not installed:
        raise ConfigError(
            "A GPU is demanded, serving on one needs vLLM, and vLLM is not installed here.",
            hint="pip install 'nls-sdk[vllm]', or serve on the CPU with engine = 'cpu'.",
        )
    if wanted == "vllm":
        if not installed:
            raise ConfigError(
                "vLLM is demanded, and is not installed here.",
                hint="pip install 'nls-sdk[vllm]' on a machine with a GPU, or serve with engine = 'auto'.",
            )
        choose_device("cuda")
        return "vllm"
    return "vllm" if installed and choose_device(device).type == "cuda" else "cpu"


def bind(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket bound to a port of an address; 0 takes a free one.

    Raises:
        ConfigError: The port is in use.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(
            f"Port {port} of {host} cannot be used: {os.strerror(error.errno or 0)}.",
            hint="Choose another with --port, or 0 for a free one.",
        ) from None


def warm_up(url: str, config: ServeConfig, key: str | None, tell: Tell) -> None:
    """Have real requests answered, and only then tell `Ready`: the first user's is as fast as any later one.

    The last of them is under the grammar, which a server compiles when it first needs it.

    Raises:
        NlsError: The server does not answer.
    """
    endpoint = Endpoint(
        url, api_key=key, model=config.model_name, max_tokens=32, timeout=300.0, decoding="free"
    )
    times = []
    for question in _WARM_UP:
        started = time.monotonic()
        endpoint.translate(question)
        times.append(time.monotonic() - started)
    text = f"the first request took {times[0]:.2f} s, the last of {len(times)} {times[-1]:.3f} s"
    try:
        started = time.monotonic()
        endpoint.translate(_WARM_UP[0], decoding="grammar")
        text += f", one under the grammar {time.monotonic() - started:.2f} s"
    except NlsError as error:
        text += f"; it knows no grammar: {error.message}"
    tell(Log(text))
    tell(Ready(url, config.model_name))


def _serve_here(
    model: Path,
    config: ServeConfig,
    listener: socket.socket,
    key: str | None,
    tell: Tell,
    adapters: tuple[LocalAdapter, ...],
    served_as: str,
) -> Cancelled:
    """Serve with our own server, in this process."""
    if adapters:
        raise ConfigError(
            "The server for a CPU serves no adapters beside their base.",
            hint="Merge each and deploy it by itself, or serve on a GPU, where vLLM does.",
        )
    if config.precision == "fp8":
        raise ConfigError(
            "precision = 'fp8' needs a GPU: the server for a CPU decodes in float32.",
            hint="Leave precision out, or serve where there is a GPU and vLLM.",
        )
    from . import server

    clock = IdleClock(config.idle_timeout)
    failures: list[NlsError] = []
    idle = threading.Event()

    def watch(url: str, stop: Callable[[], None]) -> None:
        try:
            warm_up(url + "/v1", config, key, tell)
        except NlsError as error:
            failures.append(error)
            return stop()
        while (left := clock.seconds_left) > 0:
            time.sleep(min(left, 3600.0))
        idle.set()
        stop()

    app = server.create_app(
        model,
        api_key=key,
        model_name=config.model_name,
        served_as=served_as,
        max_model_len=config.max_length,
        chat_template_kwargs=CHAT_TEMPLATE_KWARGS,
        in_use=clock.request,
    )
    server.serve(
        app,
        sock=listener,
        on_ready=lambda url, stop: threading.Thread(target=watch, args=(url, stop), daemon=True).start(),
    )
    if failures:
        raise RunFailed(f"The server did not answer its first request: {failures[0].message}")
    if not idle.is_set():
        raise RunFailed("The server ended by itself.")
    return Cancelled(clock.reason)
