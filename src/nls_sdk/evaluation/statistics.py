"""What a sample says of the truth: intervals, verdicts on targets, paired tests, and how many are enough.

The distributions are scipy's, imported when a figure is first asked for. Every interval is of 95 %, every
test two-sided at 5 %, unless it is told otherwise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import StrEnum
from typing import Any

from attrs import frozen

LEVEL = 0.95
"""The share of intervals that hold the true value."""

POWER = 0.8
"""How often a planned number of questions decides."""

RESAMPLES = 2000
"""Resamples of a bootstrap."""

_LARGEST = 10_000_000


class Decision(StrEnum):
    """What an interval says of a target."""

    PASS = "PASS"  # noqa: S105  # a verdict, no password
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"


@frozen
class Interval:
    """Where the true value lies.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        level: The share of such intervals that hold the true value.
    """

    low: float
    high: float
    level: float = LEVEL

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def at_least(self, target: float) -> Decision:
        """Whether the true value reaches a target."""
        if self.low >= target:
            return Decision.PASS
        return Decision.FAIL if self.high < target else Decision.UNDECIDED

    def at_most(self, target: float) -> Decision:
        """Whether the true value stays within a target."""
        if self.high <= target:
            return Decision.PASS
        return Decision.FAIL if self.low > target else Decision.UNDECIDED


def wilson(count: float, total: float, *, level: float = LEVEL) -> Interval:
    """Wilson's interval of a share; from 0 to 1 when nothing was counted.

    Args:
        count: Those that count.
        total: All of them. Not a whole number when it is an effective size; see `effective`.
        level: The share of intervals that hold the true share.
    """
    if total <= 0:
        return Interval(0.0, 1.0, level)
    from scipy.stats import binomtest, norm

    if count == int(count) and total == int(total):
        found = binomtest(int(count), int(total)).proportion_ci(level, method="wilson")
        return Interval(float(found.low), float(found.high), level)
    z = float(norm.ppf((1 + level) / 2))
    share, squared = count / total, z * z / total
    middle = share + squared / 2
    half = z * math.sqrt(share * (1 - share) / total + squared / total / 4)
    return Interval(
        max(0.0, (middle - half) / (1 + squared)), min(1.0, (middle + half) / (1 + squared)), level
    )


def questions_needed(
    share: float, target: float, *, power: float = POWER, level: float = LEVEL
) -> int | None:
    """How many questions decide on a target, when the true share is this one.

    So many that Wilson's interval leaves the target out with the given probability, on the true side of it.
    It is worked out from the binomial distribution itself.

    Returns:
        The number; None when the share is the target, or so near that ten million do not decide.
    """
    from scipy.stats import norm

    gap = abs(share - target)
    z = float(norm.ppf((1 + level) / 2))
    spread = z * math.sqrt(target * (1 - target)) + float(norm.ppf(power)) * math.sqrt(share * (1 - share))
    if gap == 0 or (about := (spread / gap) ** 2) > _LARGEST:
        return None
    # Power goes up and down a little from one number to the next: past the last dip it holds for good.
    return _smallest(lambda first, last: share_power(share, target, range(first, last), level), about, power)


def share_power(share: float, target: float, totals: Sequence[int], level: float = LEVEL) -> list[float]:
    """How likely each number of questions decides on a target, when the true share is this one."""
    import numpy as np
    from scipy.stats import binom, norm

    n = np.asarray(totals, dtype=float)
    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(n * target * (1 - target))
    if share >= target:
        power = binom.sf(np.ceil(n * target + half) - 1, n, share)
    else:
        power = binom.cdf(np.ceil(n * target - half) - 1, n, share)
    return [float(each) for each in power]


def mcnemar(only_one: int, only_other: int) -> float:
    """McNemar's exact p-value, from the questions that only the one and only the other got right."""
    if only_one + only_other == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_one, only_one + only_other).pvalue)


def pairs_needed(better: float, worse: float, *, power: float = POWER, level: float = LEVEL) -> int | None:
    """How many questions McNemar's exact test needs to tell two models apart.

    Args:
        better: Share of all questions that only the one gets right.
        worse: Share that only the other gets right.
        power: How likely it is to tell.
        level: One minus the share of false alarms.

    Returns:
        The number; None when the shares are equal, or so near that ten million do not tell.

    Raises:
        ValueError: They are no shares of the same questions.
    """
    if min(better, worse) < 0 or better + worse > 1:
        raise ValueError(f"{better} and {worse} are no shares of the same questions.")
    from scipy.stats import norm

    apart, gap = better + worse, abs(better - worse)
    z, reserve = float(norm.ppf((1 + level) / 2)), float(norm.ppf(power))
    if gap == 0:
        return None
    about = ((z * math.sqrt(apart) + reserve * math.sqrt(apart - gap * gap)) / gap) ** 2
    if about > _LARGEST:
        return None
    return _smallest(
        lambda first, last: [pairs_power(better, worse, n, level) for n in range(first, last)],
        about,
        power,
        step=max(1, round(about / 100)),
    )


def pairs_power(better: float, worse: float, total: int, level: float = LEVEL) -> float:
    """How likely McNemar's exact test tells two models apart on so many questions."""
    import numpy as np
    from scipy.stats import binom

    apart = better + worse
    if apart == 0:
        return 0.0
    low, high = (int(x) for x in binom.ppf([1e-9, 1 - 1e-9], total, apart))
    discordant = np.arange(low, high + 1)
    tail = (1 - level) / 2
    critical = binom.ppf(tail, discordant, 0.5)
    critical = np.where(binom.cdf(critical, discordant, 0.5) > tail, critical - 1, critical)
    share = max(better, worse) / apart
    told = binom.cdf(critical, discordant, 1 - share)
    return float(np.sum(binom.pmf(discordant, total, apart) * told))


def mean_interval(values: Sequence[float], *, level: float = LEVEL, seed: int = 0) -> Interval | None:
    """The bootstrap interval of a mean; None of fewer than two values."""
    import numpy as np

    return _bootstrap((np.asarray(values, dtype=float),), np.mean, level, seed)


def paired_difference(
    ones: Sequence[float],
    others: Sequence[float],
    statistic: Callable[..., float] | None = None,
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval | None:
    """The paired bootstrap interval of one statistic less another: of latencies, or of graded scores.

    Args:
        ones: A value a question.
        others: The other's values, in the order of the same questions.
        statistic: Of an array, along `axis`; the mean unless told.
        level: The share of intervals that hold the true difference.
        seed: Decides the resamples.

    Returns:
        The interval; None of fewer than two questions.

    Raises:
        ValueError: They are not equally many.
    """
    import numpy as np

    if len(ones) != len(others):
        raise ValueError(f"{len(ones)} values cannot be paired with {len(others)}.")
    one, other = np.asarray(ones, dtype=float), np.asarray(others, dtype=float)
    if statistic is None:
        return _bootstrap((one - other,), np.mean, level, seed)
    of = statistic

    def difference(x: object, y: object, axis: int) -> object:
        return of(x, axis=axis) - of(y, axis=axis)

    return _bootstrap((one, other), difference, level, seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for how many were looked at, by Holm's step-down method, in the same order."""
    corrected, floor = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = floor
    return corrected


def fisher(count: int, total: int, other_count: int, other_total: int) -> float:
    """Fisher's exact p-value of two shares of different questions; 1 when one is of nothing."""
    if not total or not other_total:
        return 1.0
    from scipy.stats import fisher_exact

    table = [[count, total - count], [other_count, other_total - other_count]]
    found: Any = fisher_exact(table)
    return float(found.pvalue)


@frozen
class Repeats:
    """How far the answers to the same question agree, when each was asked several times.

    Attributes:
        questions: Different questions.
        within: Variance of right (1) and wrong (0) among the answers to one question, on average.
        between: Variance of the questions' shares, what chance within them adds taken off.
        steady: Share of the questions whose answers are all right or all wrong.
    """

    questions: int
    within: float
    between: float
    steady: float

    @property
    def correlation(self) -> float:
        """How much answers to one question are alike, 0 to 1: the intraclass correlation."""
        whole = self.within + self.between
        return self.between / whole if whole else 1.0


def repeats(answers: Iterable[tuple[Hashable, bool]]) -> Repeats | None:
    """Look at answers, each with what it is an answer to; None when no question was asked twice."""
    groups: defaultdict[Hashable, list[bool]] = defaultdict(list)
    for question, is_right in answers:
        groups[question].append(is_right)
    several = [group for group in groups.values() if len(group) > 1]
    if not several:
        return None
    shares = [sum(group) / len(group) for group in several]
    variances = [
        share * (1 - share) * len(group) / (len(group) - 1)
        for share, group in zip(shares, several, strict=True)
    ]
    within = math.fsum(variances) / len(several)
    mean = math.fsum(shares) / len(shares)
    spread = math.fsum((share - mean) ** 2 for share in shares) / max(1, len(shares) - 1)
    chance = math.fsum(v / len(group) for v, group in zip(variances, several, strict=True)) / len(several)
    steady = sum(share in (0.0, 1.0) for share in shares) / len(shares)
    return Repeats(len(groups), within, max(0.0, spread - chance), steady)


def effective(total: int, found: Repeats | None) -> float:
    """How many independent answers so many repeated ones are worth."""
    if found is None or not found.questions:
        return total
    times = total / found.questions
    return total / (1 + (times - 1) * found.correlation)


def _bootstrap(
    data: tuple[object, ...], statistic: Callable[..., object], level: float, seed: int
) -> Interval | None:
    import numpy as np
    from scipy.stats import bootstrap

    first = np.asarray(data[0])
    if len(first) < 2:
        return None
    if all(np.ptp(np.asarray(sample)) == 0 for sample in data):
        only = float(np.asarray(statistic(*data, axis=-1)))
        return Interval(only, only, level)
    found = bootstrap(
        data,
        statistic,
        n_resamples=RESAMPLES,
        # Bounds the memory: so many resamples of a hundred thousand values are 80 MB.
        batch=max(1, 10_000_000 // len(first)),
        vectorized=True,
        paired=True,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high), level)


def _smallest(
    powers: Callable[[int, int], Sequence[float]], about: float, power: float, step: int = 1
) -> int | None:
    """The smallest number from which on, as far as is looked, all have the power."""
    last = int(about * 1.3) + 60
    if step > 1:
        low, high = 1, last
        while high - low > 1:
            middle = (low + high) // 2
            enough = powers(middle, middle + 1)[0] >= power
            low, high = (low, middle) if enough else (middle, high)
        return high
    first = max(1, int(about * 0.7) - 20)
    found = powers(first, last)
    short = [i for i, each in enumerate(found) if each < power]
    return first + short[-1] + 1 if short else first
