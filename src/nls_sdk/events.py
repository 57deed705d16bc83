"""What a running job tells, and how that is written as JSON lines.

A job tells any number of `Log` and `Progress` events, `Ready` when it serves, and exactly one of
`Succeeded`, `Failed` or `Cancelled` last. Events are numbered by the provider, from 1, without gaps;
a run that is started again numbers on, so that a client that was reading misses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from attrs import field, frozen

from .artifacts import Artifact


@frozen(kw_only=True)
class _Told:
    """What every event has.

    Attributes:
        seq: Its number in the run, from 1, over all its attempts; 0 until the provider has stored it.
        time: Seconds since the epoch, on the clock of the machine that stored it.
    """

    seq: int = 0
    time: float = 0.0


@frozen
class Log(_Told):
    """A line of text that the job printed.

    Attributes:
        text: The line, without its end.
    """

    text: str


@frozen
class Progress(_Told):
    """How far the job is.

    Attributes:
        step: Optimizer steps done.
        total: Optimizer steps in all.
        loss: Mean training loss since the last report, in nats per answer token.
        learning_rate: The rate of the step just taken.
        tokens_per_second: Tokens trained on per second since the last report, padding not counted.
        seconds_left: Time to the end at the present speed.
        examples_per_second: Examples trained on per second since the last report.
        mfu: The share of the GPU's peak arithmetic that the training's own needs; None where it is unknown.
        gpu_memory: Bytes that the job holds on its GPU.
    """

    step: int
    total: int
    loss: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    examples_per_second: float | None = None
    mfu: float | None = None
    gpu_memory: float | None = None


@frozen
class Ready(_Told):
    """A server answers requests.

    Attributes:
        url: Base URL of its OpenAI-compatible API, ending in `/v1`.
        model: The model's name in that API.
    """

    url: str
    model: str


@frozen
class Succeeded(_Told):
    """The job is done.

    Attributes:
        outputs: What it made, by name (`adapter`, `model`).
        metrics: What it measured, by name, such as `train_loss` or `seconds`.
    """

    outputs: Mapping[str, Artifact] = field(factory=dict)
    metrics: Mapping[str, float] = field(factory=dict)


@frozen
class Failed(_Told):
    """The job raised, or died.

    Attributes:
        message: What went wrong.
        hint: What to do about it.
    """

    message: str
    hint: str = ""


@frozen
class Cancelled(_Told):
    """The job was told to stop, and did.

    Attributes:
        reason: By whom or what: `cancelled`, `idle for 900 s`, `its owner is gone`.
    """

    reason: str = "cancelled"


Event: TypeAlias = Log | Progress | Ready | Succeeded | Failed | Cancelled
Terminal: TypeAlias = Succeeded | Failed | Cancelled

_KINDS: dict[str, type[Event]] = {
    cls.__name__.lower(): cls for cls in (Log, Progress, Ready, Succeeded, Failed, Cancelled)
}


def dump_event(event: Event) -> str:
    """The event as one line of JSON, without the line's end."""
    body: dict[str, Any] = msgspec.to_builtins(event)
    return json.dumps({"event": type(event).__name__.lower(), **body}, ensure_ascii=False)


def load_event(line: str) -> Event:
    """Read back what `dump_event` wrote.

    Raises:
        ValueError: The line is not an event.
    """
    body = json.loads(line)
    if not isinstance(body, dict) or str(body.get("event")) not in _KINDS:
        raise ValueError(f"not an event: {line[:80]!r}")
    return msgspec.convert(body, type=_KINDS[body.pop("event")])
