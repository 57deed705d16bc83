"""The report as one HTML file that needs no network: figures and charts at once, examples when looked at.

Whatever a model or a data file says is text: the template escapes it, the examples lie in the page as JSON
that no parser of HTML can leave, and the page's own script puts them in as text. A policy in the page lets no
other script run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ...events import Progress
from ...metrics import LATENCY_TARGET_MS, SEMANTIC_TARGET, SYNTAX_TARGET, verdict
from ..misses import Miss, classify, difference, unsupported
from ..results import Results, Row
from ..statistics import wilson
from . import charts

if TYPE_CHECKING:
    from ..report import Report

LONGEST_TEXT = 2000
"""Characters of a text that the page shows; the JSON file has it whole."""

_MISSES = list(Miss)


def html(
    report: Report,
    *,
    training: Sequence[Progress] = (),
    provenance: Mapping[str, Any] | None = None,
    title: str = "Evaluation",
) -> str:
    """Write a report as HTML.

    Args:
        report: The report.
        training: What the run that made the model told of its progress; its loss and learning rate are drawn.
        provenance: More of where the results come from, such as the run, its recipe and a commit.
        title: The page's head.
    """
    from jinja2 import Environment

    here = files("nls_sdk.evaluation.reporting")
    script = here.joinpath("report.js").read_text("utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        here.joinpath("report.html.j2").read_text("utf-8")
    )
    return template.render(
        title=title,
        report=report,
        policy=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(here.joinpath("report.css").read_text("utf-8")),  # noqa: S704  # our own file
        script=Markup(script),  # noqa: S704  # our own file
        data=Markup(_json(_data(report))),  # noqa: S704  # `_json` escapes it
        shares=_shares(report),
        latency=_latency(report),
        curves=_curves(training),
        misses=[(str(miss), len(rows), rows[0]) for miss, rows in report.misses.items()],
        hallucinations=list(report.model.hallucinations.items()),
        provenance=_provenance(report, provenance or {}),
    )


def _json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or begins another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(report: Report) -> dict[str, Any]:
    return {
        "titles": list(report.titles),
        "paired": report.baseline is not None,
        "classes": [str(miss) for miss in _MISSES],
        "rows": [_row(number, *rows) for number, rows in enumerate(report.rows, 1)],
    }


def _row(number: int, model: Row, baseline: Row | None) -> list[Any]:
    """One example; `report.js` names the places."""
    ways = classify(model)
    changes = difference(model.expected, model.actual) if ways and not model.failed else None
    return [
        model.line or number,
        _cut(model.question),
        _cut(model.expected),
        _answer(model),
        None if baseline is None else _answer(baseline),
        _verdict(model, baseline),
        [_MISSES.index(way) for way in ways],
        None
        if changes is None
        else [_cut_all(changes.same), _cut_all(changes.missing), _cut_all(changes.extra)],
        _cut_all(unsupported(model.question, model.actual)),
        _cut_all(unsupported(model.question, model.expected)),
        {key: _cut(str(value)) for key, value in model.metadata.items() if value is not None},
    ]


def _answer(row: Row) -> list[Any]:
    """Text, whether it is right (None when there is none), milliseconds, error."""
    seconds = None if row.seconds is None else round(1000 * row.seconds, 1)
    return [_cut(row.actual), None if row.failed else row.right, seconds, row.error and _cut(row.error)]


def _verdict(model: Row, baseline: Row | None) -> str:
    if model.failed:
        return "failed"
    if baseline is None or baseline.failed:
        return "right" if model.right else "wrong"
    return verdict(model.right, baseline.right).replace("fine_tuned", "fine-tuned").replace("_", " ")


def _shares(report: Report) -> list[tuple[str, Markup]]:
    found = []
    targets = (("Syntax Valid", SYNTAX_TARGET), ("Semantic Match", SEMANTIC_TARGET))
    for place, (name, target) in enumerate(targets):
        bars = [_bar(report.titles[0], report.model, place, strong=True)]
        if report.baseline is not None:
            bars.append(_bar(report.titles[1], report.baseline, place))
        for floor, shares in report.floors.items():
            around = shares[place].interval
            bars.append(charts.Bar(f"{floor} (floor)", shares[place].value, around.low, around.high))
        found.append((name, charts.intervals(name, bars, target)))
    return found


def _bar(label: str, results: Results, place: int, *, strong: bool = False) -> charts.Bar:
    part = (results.syntax_valid, results.semantic_match)[place]
    around = wilson(part.count, part.total)
    return charts.Bar(label, part.value, around.low, around.high, strong)


def _latency(report: Report) -> Markup | None:
    sides = [(report.titles[0], report.model, "one")]
    if report.baseline is not None:
        sides.append((report.titles[1], report.baseline, "other"))
    series = [
        (title, times, colour)
        for title, results, colour in sides
        if (times := [1000 * row.seconds for row in results.rows if row.seconds is not None])
    ]
    return charts.latencies(series, LATENCY_TARGET_MS) if series else None


def _curves(training: Sequence[Progress]) -> list[tuple[str, Markup]]:
    figures = {
        "Loss": [(event.step, event.loss) for event in training if event.loss is not None],
        "Learning rate": [(e.step, e.learning_rate) for e in training if e.learning_rate is not None],
    }
    return [
        (name, charts.curve(name, points, "one" if name == "Loss" else "other"))
        for name, points in figures.items()
        if len(points) > 1
    ]


def _provenance(report: Report, more: Mapping[str, Any]) -> list[tuple[str, str]]:
    from importlib_metadata import version

    found: dict[str, Any] = {}
    for title, results in zip(report.titles, (report.model, report.baseline), strict=True):
        if results is None:
            continue
        found[f"{title}: name"] = results.name
        found[f"{title}: asked"] = f"{results.created:%Y-%m-%d %H:%M} UTC"
        found[f"{title}: questions"] = f"{len(results.rows)} of {results.asked}"
        models = sorted({row.model for row in results.rows if row.model})
        found[f"{title}: model, as the server says"] = ", ".join(models)
        found |= {f"{title}: {key}": value for key, value in results.parameters.items()}
        found[f"{title}: cost"] = "" if results.cost is None else f"${results.cost:.4f}"
    found["Data"] = report.model.source or ""
    found["Data, SHA-256"] = report.model.fingerprint
    found |= more
    found["nls-sdk"] = version("nls-sdk")
    found["Python"] = platform.python_version()
    return [(key, _cut(str(value))) for key, value in found.items() if value not in ("", None, [], {})]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters)"


def _cut_all(texts: Sequence[str]) -> list[str]:
    return [_cut(text) for text in texts]
