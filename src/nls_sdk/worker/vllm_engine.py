"""vLLM's own server as a child of the worker, which it does not outlive."""

from __future__ import annotations

import ctypes
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import attrs
import httpx

from ..errors import RunFailed
from ..events import Cancelled, Log
from ..serve_config import ServeConfig
from .loading import context_length
from .serving import LOOPBACK, IdleClock, warm_up
from .start_times import StartTimes
from .telling import Tell
from .vllm_command import LocalAdapter, command, environment

_START_TIMEOUT = 900.0
"""Seconds for loading and compiling; a large model on a cold disk takes minutes."""
_POLL = 1.0
_START_POLL = 0.1
_LAST_WORDS = 15
_RUNNING = re.compile(r"^vllm:num_requests_(?:running|waiting)\b.*\s(\S+)$", re.M)
_SERVED = re.compile(r"^vllm:request_success_total\b.*$", re.M)
_PR_SET_PDEATHSIG = 1


def serve_vllm(
    model: Path,
    config: ServeConfig,
    listener: socket.socket,
    key: str | None,
    tell: Tell,
    *,
    caches: Path,
    adapters: tuple[LocalAdapter, ...] = (),
    served_as: str = "",
) -> Cancelled:
    """Serve until the idle timeout.

    Args:
        model: The model's folder.
        config: How it is served.
        listener: Bound to the port to serve on; closed here, since vLLM binds it itself.
        key: What clients must send; vLLM reads it from its environment.
        tell: Told when it is ready, and what its start took.
        caches: Where what it compiles is kept for the next start.
        adapters: Adapters served beside the model.
        served_as: A second name of the model, which says what it is; see `nls_sdk.tasks.Serve`.

    Raises:
        RunFailed: vLLM ended or did not answer; the message has its last words.
    """
    # vLLM refuses a limit beyond the model's own.
    config = attrs.evolve(config, max_length=min(config.max_length, context_length(model)))
    host, port = listener.getsockname()[:2]
    listener.close()
    secret = {"VLLM_API_KEY": key} if key else {}
    started = StartTimes()
    child = subprocess.Popen(
        command(model, config, port, host, adapters, served_as),
        env=environment(config, caches) | secret,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    last_words: deque[str] = deque(maxlen=_LAST_WORDS)
    threading.Thread(target=_forward, args=(child, last_words, started), daemon=True).start()
    try:
        url = f"http://{LOOPBACK}:{port}"
        # One client for all: each makes a TLS context, which takes longer than the request.
        with httpx.Client(base_url=url, timeout=5.0, trust_env=False) as client:
            _await_health(child, client, last_words)
            tell(Log(started.told()))
            warm_up(f"{url}/v1", config, key, tell)
            return _await_idle(child, client, IdleClock(config.idle_timeout), last_words)
    finally:
        _stop(child)


def _await_health(child: subprocess.Popen[str], client: httpx.Client, last_words: deque[str]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        _check_alive(child, last_words)
        try:
            if client.get("/health").status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(_START_POLL)
    raise RunFailed(f"vLLM was not ready after {_START_TIMEOUT:g} s.", hint="The run's log has its output.")


def _await_idle(
    child: subprocess.Popen[str], client: httpx.Client, clock: IdleClock, last_words: deque[str]
) -> Cancelled:
    served_before: list[str] = []
    while True:
        _check_alive(child, last_words)
        try:
            now = client.get("/metrics").text
        except httpx.HTTPError:
            now = ""
        served = _SERVED.findall(now) or served_before
        if served != served_before or any(float(count) for count in _RUNNING.findall(now)):
            served_before = served
            clock.touch()
        if (left := clock.seconds_left) <= 0:
            return Cancelled(clock.reason)
        time.sleep(min(_POLL, left))


def _check_alive(child: subprocess.Popen[str], last_words: deque[str]) -> None:
    code = child.poll()
    if code is None:
        return
    time.sleep(0.2)  # Its last words may still be in the pipe.
    errors = [line for line in last_words if "Error" in line]
    cause = (errors or [*last_words] or ["it said nothing"])[-1].strip()
    raise RunFailed(f"vLLM ended with code {code}: {cause}", hint="The run's log has all of its output.")


def _forward(child: subprocess.Popen[str], last_words: deque[str], started: StartTimes) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        last_words.append(line)
        started.hear(line)
        sys.stderr.write(line)
        sys.stderr.flush()


def _stop(child: subprocess.Popen[str]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(timeout=15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
