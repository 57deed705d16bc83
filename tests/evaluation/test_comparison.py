"""A comparison tells a regression from noise."""

from __future__ import annotations

import pytest
from answers import results, rows
from attrs import evolve

from nls_sdk.errors import EvaluationError
from nls_sdk.evaluation.comparison import Comparison
from nls_sdk.evaluation.results import Row


def test_a_loss_beyond_noise_is_a_regression() -> None:
    found = Comparison.of(results(rows(40, 10)), results(rows(25, 25)))
    match = next(change for change in found.changes if change.metric == "Semantic Match")
    assert (match.gained, match.lost, match.significant, match.regressed) == (0, 15, True, True)
    assert found.regressed
    assert "Semantic Match: 80.0% → 50.0%, +0 -15 questions, p=" in str(found)
    assert str(found).splitlines()[-1] == "REGRESSED"
    assert found.summary()["regressed"] is True
    assert (len(found.worse), len(found.better)) == (15, 0)
    assert "Became wrong: 15" in found.differences(limit=1)
    assert "  and 14 more" in found.differences(limit=1)


@pytest.mark.parametrize(("before", "after"), [(40, 38), (25, 40), (40, 40)])
def test_noise_and_gains_are_none(before: int, after: int) -> None:
    found = Comparison.of(results(rows(before, 50 - before)), results(rows(after, 50 - after)))
    assert not found.regressed
    assert str(found).splitlines()[-1] == "No regression"
    assert any(change.significant for change in found.changes) == (after == 40 > before)


def test_slower_is_worse_when_it_is_no_noise() -> None:
    base = rows(40, 0, 0.05)
    assert Comparison.of(results(base), results(rows(40, 0, 0.08))).regressed
    slightly = [
        evolve(row, seconds=(row.seconds or 0) * (1.2 if i % 2 else 0.81)) for i, row in enumerate(base)
    ]
    assert not Comparison.of(results(base), results(slightly)).regressed
    assert "faster" in str(Comparison.of(results(base), results(rows(40, 0, 0.02))))


def test_more_failures_are_worse() -> None:
    base = rows(40, 0)
    lost = [Row(question=row.question, expected=row.expected, error="down") for row in base[:2]]
    found = Comparison.of(results(base), results([*lost, *base[2:]]))
    assert found.regressed
    assert len(found.pairs) == 38
    assert "Failed requests: 0 → 2" in str(found)


def test_failures_count_on_the_questions_that_both_were_asked() -> None:
    base = rows(400, 0)
    few = [*base[:360], *(evolve(row, actual="", seconds=None, error="down") for row in base[360:])]
    worse = [
        evolve(row, actual="", seconds=None, error="down") if i < 9 else row
        for i, row in enumerate(base[:100])
    ]
    found = Comparison.of(results(few), results(worse))
    assert found.failed == (0, 9)
    assert found.regressed


def test_repeats_do_not_turn_noise_into_a_regression() -> None:
    five = [
        [evolve(row, repeat=i) for i in range(5) for row in side] for side in (rows(40, 10), rows(36, 14))
    ]
    found = Comparison.of(*(results(side, repeats=5) for side in five))
    match = next(change for change in found.changes if change.metric == "Semantic Match")
    assert (match.gained, match.lost, match.significant) == (0, 4, False)
    assert not found.regressed


def test_nothing_in_common() -> None:
    with pytest.raises(EvaluationError, match="no question in common"):
        Comparison.of(results(rows(2, 0)), results(rows(2, 0, kind="other")))
