"""Charts as inline SVG: intervals against their target, latencies, a run's loss and learning rate.

Colours are CSS variables of the page, so that a chart follows its light or dark mode. Every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen
from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 26, 12, 30
_POINTS = 200


@frozen
class Bar:
    """An interval to be drawn.

    Attributes:
        label: Whose it is.
        value: The figure, 0 to 1.
        low: Its lower end.
        high: Its upper end.
        strong: Whether it is the model's.
    """

    label: str
    value: float
    low: float
    high: float
    strong: bool = False


@frozen
class Series:
    """A line to be drawn.

    Attributes:
        label: What it is.
        points: Its points, from left to right.
        colour: The CSS variable of its colour, without the dashes.
    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: str


def intervals(title: str, bars: Sequence[Bar], target: float) -> Markup:
    """Shares from 0 to 100 %, a row each, with their intervals and the target."""
    left, row = 150, 28
    width = _WIDTH - left - _RIGHT
    height = row * len(bars) + 34

    def x(share: float) -> float:
        return left + share * width

    parts = [_line(x(tick / 4), 6, x(tick / 4), height - 24, "grid") for tick in range(5)]
    parts += [_text(x(tick / 4), height - 8, f"{25 * tick}%", "middle") for tick in range(5)]
    for place, bar in enumerate(bars):
        y = 18 + place * row
        kind = "one" if bar.strong else "other"
        parts.append(_text(left - 8, y + 4, bar.label[:20], "end"))
        parts.append(
            Markup('<rect class="band {}" x="{:.1f}" y="{}" width="{:.1f}" height="8" rx="4"/>').format(
                kind, x(bar.low), y - 4, max(1.0, x(bar.high) - x(bar.low))
            )
        )
        parts.append(
            Markup('<circle class="dot {}" cx="{:.1f}" cy="{}" r="5"/>').format(kind, x(bar.value), y)
        )
    parts.append(_line(x(target), 2, x(target), height - 24, "target"))
    said = "; ".join(f"{bar.label} {bar.value:.1%}, {bar.low:.1%} to {bar.high:.1%}" for bar in bars)
    return _svg(f"{title}: {said}; target {target:.0%}", parts, height)


def latencies(series: Sequence[tuple[str, Sequence[float], str]], target: float) -> Markup:
    """How many requests were answered within how many milliseconds, on a logarithmic scale.

    Args:
        series: A title, milliseconds in any order, and the CSS variable of a colour, for each line.
        target: Milliseconds, drawn as a line.
    """
    every = [max(value, 0.1) for _, values, _ in series for value in values]
    low, high = math.log10(min(every)), math.log10(max(*every, target * 1.05))
    low, high = low - 0.02, max(high, low + 0.1) + 0.02
    lines = []
    for label, values, colour in series:
        found = sorted(max(value, 0.1) for value in values)
        step = max(1, len(found) // _POINTS)
        kept = [*range(0, len(found), step), len(found) - 1]
        points = [((math.log10(found[i]) - low) / (high - low), (i + 1) / len(found)) for i in kept]
        lines.append(Series(label, [(points[0][0], 0.0), *points], colour))
    decades = range(math.floor(low), math.ceil(high) + 1)
    marks = [
        ((math.log10(m * 10.0**d) - low) / (high - low), _short(m * 10.0**d))
        for d in decades
        for m in (1, 2, 5)
    ]
    ticks = [(place, text) for place, text in marks if 0 <= place <= 1]
    place = (math.log10(target) - low) / (high - low)
    names = "; ".join(f"{label}: {len(values)} requests" for label, values, _ in series)
    levels = [(share / 4, f"{25 * share}%") for share in range(5)]
    return _plot(f"Requests answered within so many milliseconds. {names}", lines, ticks, levels, place)


def curve(label: str, points: Sequence[tuple[float, float]], colour: str) -> Markup:
    """One figure of a training run over its steps."""
    step = max(1, len(points) // _POINTS)
    kept = [*points[::step], points[-1]]
    last, low, high = max(x for x, _ in points) or 1, min(y for _, y in points), max(y for _, y in points)
    spread = (high - low) or abs(high) or 1
    line = Series(label, [(x / last, (y - low) / spread) for x, y in kept], colour)
    ticks = [(share / 4, f"{last * share / 4:.0f}") for share in range(5)]
    levels = [(share / 2, f"{low + spread * share / 2:.2g}") for share in range(3)]
    return _plot(
        f"{label} over {last:.0f} steps, from {points[0][1]:.3g} to {points[-1][1]:.3g}",
        [line],
        ticks,
        levels,
    )


def _plot(
    title: str,
    series: Sequence[Series],
    ticks: Sequence[tuple[float, str]],
    levels: Sequence[tuple[float, str]],
    target: float | None = None,
) -> Markup:
    def x(share: float) -> float:
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_line(_LEFT, y(level), _WIDTH - _RIGHT, y(level), "grid") for level, _ in levels]
    parts += [_text(_LEFT - 6, y(level) + 4, text, "end") for level, text in levels]
    end = -1.0
    for place, text in ticks:
        if x(place) - end > 52:
            parts.append(_text(x(place), _HEIGHT - 10, text, "middle"))
            end = x(place)
    if target is not None and 0 <= target <= 1:
        parts.append(_line(x(target), _TOP, x(target), _HEIGHT - _BOTTOM, "target"))
    for line in series:
        path = " ".join(f"{'L' if i else 'M'}{x(a):.1f} {y(b):.1f}" for i, (a, b) in enumerate(line.points))
        parts.append(Markup('<path class="line" d="{}" style="stroke:var(--{})"/>').format(path, line.colour))
    return _svg(title, parts, _HEIGHT)


def _svg(title: str, parts: Sequence[Markup], height: int) -> Markup:
    return Markup('<svg role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>').format(
        _WIDTH, height, title, Markup("").join(parts)
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        kind, x1, y1, x2, y2
    )


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, escape(text))


def _short(milliseconds: float) -> str:
    return f"{milliseconds / 1000:g}s" if milliseconds >= 1000 else f"{milliseconds:g}ms"
