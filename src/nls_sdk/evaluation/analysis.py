"""What results say beyond their figures: verdicts on the targets, paired comparisons, slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from attrs import frozen

from .. import metrics
from ..floors import Echo, Rules
from .results import Results, Row, Share
from .statistics import (
    Decision,
    Interval,
    Repeats,
    effective,
    fisher,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    questions_needed,
    repeats,
    wilson,
)

_LENGTHS = ((6, "up to 6 words"), (10, "7 to 10 words"), (15, "11 to 15 words"), (10_000, "16 words or more"))
_SLICED = ("intent", "held_out")
_SMALLEST = 5


@frozen
class Judgement:
    """A figure, where its true value lies, and what that says of its target.

    Attributes:
        metric: What is measured.
        value: The figure: a share from 0 to 1, or milliseconds.
        target: What it is to be.
        interval: Where the true value lies.
        decision: PASS, FAIL or UNDECIDED.
        needed: Questions that would decide if the figure is the true one; None when no number would, or when
            it is decided.
    """

    metric: str
    value: float
    target: float
    interval: Interval
    decision: Decision
    needed: int | None = None

    def __str__(self) -> str:
        show = _percent if self.metric != "Avg Latency" else _milliseconds
        sign = "≥" if self.metric != "Avg Latency" else "≤"
        said = (
            f"{self.metric}: {show(self.value)}, 95% interval {show(self.interval.low)} to "
            f"{show(self.interval.high)}, target {sign}{show(self.target)}: {self.decision}"
        )
        if self.decision is not Decision.UNDECIDED:
            return said
        many = f"about {self.needed:,}" if self.needed else "no number of"
        return f"{said}; {many} questions would decide"


@frozen
class Paired:
    """Two models on the same questions.

    Attributes:
        one_only: Questions that only the first got right; of several answers, more often.
        other_only: Questions that only the second got right.
        total: Questions that both answered.
        p_value: McNemar's exact test: how likely so uneven a split is by chance.
        latency_ms: Where the first's mean latency less the second's lies; None without times.
    """

    one_only: int
    other_only: int
    total: int
    p_value: float
    latency_ms: Interval | None

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise, at 5 %."""
        return self.p_value <= 0.05


@frozen
class Slice:
    """Some of the questions, looked at on their own.

    Attributes:
        key: By what they were told apart.
        value: What they have in common.
        model: The model's right answers among them.
        baseline: The baseline's; None without baseline.
        p_value: How likely the slice differs so from the rest by chance, corrected for how many there are.
    """

    key: str
    value: str
    model: Share
    baseline: Share | None
    p_value: float


def judgements(results: Results) -> tuple[Judgement, ...]:
    """What results say of the three targets; latency is left out when nothing was timed."""
    valid, match = results.syntax_valid, results.semantic_match
    found = [
        _judged("Syntax Valid", results, valid, metrics.SYNTAX_TARGET),
        _judged("Semantic Match", results, match, metrics.SEMANTIC_TARGET),
    ]
    timed = [(row, 1000 * row.seconds) for row in results.rows if row.seconds is not None]
    times = _each_question(timed)
    interval = mean_interval(times)
    if interval is not None:
        mean, target = sum(time for _, time in timed) / len(timed), metrics.LATENCY_TARGET_MS
        decision = interval.at_most(target)
        # An interval is as wide as one over the root of the number of questions.
        half, gap = (interval.high - interval.low) / 2, abs(mean - target)
        needed = round(len(times) * (half / gap) ** 2) + 1 if decision is Decision.UNDECIDED and gap else None
        found.append(Judgement("Avg Latency", mean, target, interval, decision, needed))
    return tuple(found)


def repeated(results: Results) -> Repeats | None:
    """How far repeated answers agree; None when no question was asked twice."""
    answered = (row for row in results.rows if not row.failed)
    return repeats((_question(row), row.right) for row in answered)


def paired(pairs: Sequence[tuple[Row, Row]]) -> Paired:
    """Compare two models on the questions that both answered."""
    both = [(one, other) for one, other in pairs if not one.failed and not other.failed]
    one_only, other_only = right_alone(both, lambda row: row.right)
    timed = [
        (one, 1000 * one.seconds, 1000 * other.seconds)
        for one, other in both
        if one.seconds is not None and other.seconds is not None
    ]
    ones = _each_question((one, mine) for one, mine, _ in timed)
    others = _each_question((one, theirs) for one, _, theirs in timed)
    latency = paired_difference(ones, others) if timed else None
    total = len({_question(one) for one, _ in both})
    return Paired(one_only, other_only, total, mcnemar(one_only, other_only), latency)


def right_alone(pairs: Iterable[tuple[Row, Row]], holds: Callable[[Row], bool]) -> tuple[int, int]:
    """On how many questions a metric holds for the first alone, and for the second alone.

    Answers to one question are alike: of one that was asked several times they count once, for whoever the
    metric holds more often.
    """
    ahead = _each_question((one, holds(one) - holds(other)) for one, other in pairs)
    return sum(by > 0 for by in ahead), sum(by < 0 for by in ahead)


def slices(rows: Sequence[Row], baseline: Sequence[Row] | None = None) -> tuple[Slice, ...]:
    """The right answers by intent, held-out part, operator, difficulty and length of the question.

    Args:
        rows: The model's rows.
        baseline: The baseline's, in the same order.
    """
    members: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.failed:
            for label in dict.fromkeys(_labels(row)):
                members.setdefault(label, []).append(place)
    answered = _share(rows)
    # The answers to one question are alike: a test counts its first alone.
    whole = _share(row for row in rows if not row.repeat)
    found = []
    for (key, value), places in sorted(members.items()):
        if not _SMALLEST <= len(places) < answered.total:
            continue
        own = [rows[place] for place in places]
        first = _share(row for row in own if not row.repeat)
        p_value = fisher(first.count, first.total, whole.count - first.count, whole.total - first.total)
        other = None if baseline is None else _share(baseline[place] for place in places)
        found.append(Slice(key, value, _share(own), other, p_value))
    corrected = holm([each.p_value for each in found])
    return tuple(
        Slice(each.key, each.value, each.model, each.baseline, p_value)
        for each, p_value in zip(found, corrected, strict=True)
    )


def floors(rows: tuple[Row, ...]) -> dict[str, tuple[Share, Share]]:
    """The shares of syntax valid answers and of semantic matches that each floor reaches on the questions."""
    found = {}
    for floor in (Echo(), Rules()):
        answers = [(row.expected, floor.translate(row.question)) for row in rows]
        valid = sum(metrics.syntax_valid(actual) for _, actual in answers)
        match = sum(metrics.semantic_match(expected, actual) for expected, actual in answers)
        found[floor.name] = (Share(valid, len(rows)), Share(match, len(rows)))
    return found


def _labels(row: Row) -> Iterator[tuple[str, str]]:
    for key in _SLICED:
        if (value := row.metadata.get(key)) is not None:
            yield key, str(value)
    names = metrics.operators(row.expected)
    yield from (("operator", f"{name}:") for name in names)
    yield "difficulty", f"{min(len(names), 4)}{'+' if len(names) >= 4 else ''} operators"
    words = len(row.question.split())
    yield "length", next(label for most, label in _LENGTHS if words <= most)


def _question(row: Row) -> Hashable:
    return row.question, row.expected, row.line


def _each_question(values: Iterable[tuple[Row, float]]) -> list[float]:
    """The mean of what there is of each question, in the order in which they come."""
    found: dict[Hashable, list[float]] = {}
    for row, value in values:
        found.setdefault(_question(row), []).append(value)
    return [math.fsum(each) / len(each) for each in found.values()]


def _share(rows: Iterable[Row]) -> Share:
    answered = [row for row in rows if not row.failed]
    return Share(sum(row.right for row in answered), len(answered))


def _judged(metric: str, results: Results, part: Share, target: float) -> Judgement:
    count, total, share = part.count, part.total, part.value
    size = effective(total, repeated(results)) if results.repeats > 1 else total
    interval = wilson(count, total) if size == total else wilson(share * size, size)
    decision = interval.at_least(target) if total else Decision.UNDECIDED
    needed = questions_needed(share, target) if total and decision is Decision.UNDECIDED else None
    return Judgement(metric, share, target, interval, decision, needed)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _milliseconds(value: float) -> str:
    return f"{value:.0f}ms"
