"""How events, times and figures read to a person."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

from ..events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded

_CONTROLS = re.compile(r"[^\n\t\x20-\x7e\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\U0010ffff]")


def visible(text: str) -> str:
    """Text of a model or a data file: what would steer a terminal, or turn its text round, as an escape."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def describe(event: Event) -> str:
    """An event as one line of text."""
    match event:
        case Log(text):
            return click.unstyle(text).rstrip()
        case Progress():
            return f"step {event.step:,}/{event.total:,}{progress_figures(event)}"
        case Ready():
            return f"ready at {event.url} as {event.model}"
        case Succeeded():
            figures = ", ".join(metric(name, value) for name, value in event.metrics.items())
            return f"succeeded{': ' + figures if figures else ''}"
        case Failed():
            return f"failed: {event.message}"
        case Cancelled():
            return f"stopped: {event.reason}"


def progress_figures(event: Progress) -> str:
    """What stands behind the step; a rate of 0, as of a warm-up's first step, is left out."""
    figures = {
        "loss": None if event.loss is None else f"{event.loss:.4f}",
        "lr": event.learning_rate and f"{event.learning_rate:.2e}",
        "tokens/s": event.tokens_per_second and f"{event.tokens_per_second:,.0f}",
        "left": event.seconds_left and duration(event.seconds_left),
    }
    return "".join(f"  {name} {value}" for name, value in figures.items() if value)


def metric(name: str, value: float) -> str:
    """A metric of a run, such as `peak memory 512 MiB`; its name tells the unit."""
    if name == "seconds":
        return f"took {duration(value)}"
    if name.endswith("_bytes"):
        return f"{name.removesuffix('_bytes').replace('_', ' ')} {mebibytes(value)}"
    return f"{name.replace('_', ' ')} {quantity(value)}"


def quantity(value: float) -> str:
    """A number: `1.96 M`, `12,345`, `0.3333`."""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.2f} {letter}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def mebibytes(count: float) -> str:
    """An amount of memory."""
    return f"{count / 2**20:,.0f} MiB"


def many(count: int, noun: str) -> str:
    """A count of things: `1 example`, `6,000 examples`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def words(values: Mapping[str, object]) -> str:
    """Named values on a line: `epochs=3, seed=1`."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def dollars(amount: float | None) -> str:
    """A price: `$0.42`; a dash when it is not known."""
    return "-" if amount is None else f"${amount:.2f}"


def duration(seconds: float) -> str:
    """A time as people say it: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
