"""The statistics agree with statsmodels, and with what can be worked out by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as other_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from nls_sdk.evaluation.statistics import (
    Decision,
    Interval,
    effective,
    fisher,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    pairs_needed,
    pairs_power,
    questions_needed,
    repeats,
    share_power,
    wilson,
)


@pytest.mark.parametrize(("count", "total"), [(0, 1), (73, 108), (108, 108), (49, 50), (1, 1000)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_wilson_is_wilsons(count: int, total: int, level: float) -> None:
    low, high = proportion_confint(count, total, 1 - level, method="wilson")
    found = wilson(count, total, level=level)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_an_effective_size_need_not_be_whole() -> None:
    around = [wilson(73, 108), wilson(73.2, 108.3), wilson(74, 109.5)]
    assert all(abs(each.low - around[0].low) < 0.003 for each in around)
    assert wilson(0.5, 0.5).high == 1.0


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)
    assert fisher(0, 0, 1, 2) == mcnemar(0, 0) == 1.0
    assert mean_interval([1.0]) is None
    assert repeats([("a", True), ("b", False)]) is None


def test_the_earlier_systems_verdict_decided_nothing() -> None:
    found = wilson(73, 108)
    assert found.at_least(0.70) is Decision.UNDECIDED
    assert (round(found.low, 2), round(found.high, 2)) == (0.58, 0.76)


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [
        (Interval(0.71, 0.8), Decision.PASS, Decision.FAIL),
        (Interval(0.5, 0.69), Decision.FAIL, Decision.PASS),
        (Interval(0.69, 0.71), Decision.UNDECIDED, Decision.UNDECIDED),
    ],
)
def test_decisions(interval: Interval, least: Decision, most: Decision) -> None:
    assert (interval.at_least(0.7), interval.at_most(0.7)) == (least, most)


@pytest.mark.parametrize(("one", "other"), [(12, 0), (5, 5), (1, 9), (30, 14)])
def test_mcnemar_is_exact(one: int, other: int) -> None:
    assert mcnemar(one, other) == pytest.approx(
        other_mcnemar([[3, one], [other, 4]], exact=True).pvalue, rel=1e-12
    )


def test_holm_is_holms() -> None:
    rng = random.Random(1)
    for size in (1, 2, 7, 40):
        p_values = [rng.random() ** 3 for _ in range(size)]
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    assert holm([]) == []


@pytest.mark.parametrize(("share", "target"), [(0.75, 0.70), (0.60, 0.70), (0.98, 0.95), (1.0, 0.95)])
def test_the_number_needed_is_the_smallest_that_decides(share: float, target: float) -> None:
    n = questions_needed(share, target)
    assert n is not None
    before, at, *after = share_power(share, target, range(n - 1, n + 40))
    assert before < 0.8 <= at
    assert min(after) >= 0.8
    decides = [k for k in range(n + 1) if wilson(k, n).at_least(target) is not Decision.UNDECIDED]
    rightly = [k for k in decides if (k / n >= target) == (share >= target)]
    assert at == pytest.approx(float(np.sum(binom.pmf(rightly, n, share))), rel=1e-9)


def test_no_number_decides_between_equals() -> None:
    assert questions_needed(0.7, 0.7) is None
    assert questions_needed(0.7, 0.70001) is None
    assert pairs_needed(0.1, 0.1) is None
    assert pairs_needed(0.1, 0.10001) is None
    with pytest.raises(ValueError, match="no shares"):
        pairs_needed(0.7, 0.4)


@pytest.mark.parametrize(("better", "worse"), [(0.24, 0.0), (0.15, 0.05), (0.05, 0.15), (0.1, 0.07)])
def test_the_pairs_needed_tell_two_apart(better: float, worse: float) -> None:
    n = pairs_needed(better, worse)
    assert n is not None
    assert pairs_power(better, worse, n) >= 0.8
    assert pairs_power(better, worse, n * 3 // 4) < 0.8
    rng = np.random.default_rng(3)
    draws = rng.multinomial(n, [better, worse, 1 - better - worse], size=400)
    told = np.mean([mcnemar(int(one), int(other)) <= 0.05 for one, other, _ in draws])
    assert told == pytest.approx(pairs_power(better, worse, n), abs=0.07)


def test_a_bootstrap_is_the_same_each_time_and_near_the_normal_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, 400).tolist()
    found = mean_interval(values)
    assert found == mean_interval(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((np.mean(values) - 0.98, np.mean(values) + 0.98), abs=0.3)


def test_pairing_takes_the_questions_own_differences_out() -> None:
    rng = np.random.default_rng(0)
    easy = rng.normal(100, 50, 200)
    ones, others = (easy + 1 + rng.normal(0, 0.5, 200)).tolist(), easy.tolist()
    found = paired_difference(ones, others)
    assert found is not None
    assert 0.8 < found.low < 1 < found.high < 1.2
    assert paired_difference([1.0, 2.0], [0.0, 1.0]) == Interval(1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference([1.0], [])


def test_the_difference_of_another_statistic() -> None:
    ones, others = [float(i) for i in range(100)], [float(i + 5) for i in range(100)]
    found = paired_difference(ones, others, _median)
    assert found is not None
    assert -5 in found


def _median(values: Any, axis: int) -> Any:
    return np.median(values, axis=axis)


def test_repeats_tell_variance_within_from_variance_between() -> None:
    found = repeats([("a", True), ("a", True), ("b", False), ("b", False)])
    assert found is not None
    assert (found.within, found.steady, found.correlation, effective(4, found)) == (0, 1, 1, 2)
    loose = repeats([("a", True), ("a", False), ("b", True), ("b", False)])
    assert loose is not None
    assert (loose.within, loose.between, effective(4, loose)) == (0.5, 0, 4)
    assert effective(7, None) == 7


def test_fisher_is_fishers() -> None:
    # The lady tasting tea: all four of four, against none of four.
    assert fisher(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert fisher(3, 6, 50, 100) == pytest.approx(1.0)
