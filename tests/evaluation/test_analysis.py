"""What a report says beyond its table: verdicts that may be UNDECIDED, significance, slices, floors."""

from __future__ import annotations

import pytest
from answers import results, rows
from attrs import evolve

from nls_sdk.evaluation.analysis import judgements, paired, slices
from nls_sdk.evaluation.report import Report
from nls_sdk.evaluation.results import Row
from nls_sdk.evaluation.statistics import Decision


@pytest.mark.parametrize(
    ("right", "wrong", "decision", "needed"),
    [
        (73, 35, Decision.UNDECIDED, 2913),
        (90, 10, Decision.PASS, None),
        (50, 50, Decision.FAIL, None),
        (7, 3, Decision.UNDECIDED, None),
    ],
)
def test_a_share_is_judged(right: int, wrong: int, decision: Decision, needed: int | None) -> None:
    match = judgements(results(rows(right, wrong)))[1]
    assert (match.metric, match.decision, match.needed) == ("Semantic Match", decision, needed)


def test_a_judgement_reads_well() -> None:
    _, match, latency = judgements(results(rows(73, 35)))
    assert str(match) == (
        "Semantic Match: 67.6%, 95% interval 58.3% to 75.7%, target ≥70.0%: UNDECIDED; "
        "about 2,913 questions would decide"
    )
    assert str(latency) == "Avg Latency: 50ms, 95% interval 50ms to 50ms, target ≤100ms: PASS"
    assert "no number of questions would decide" in str(judgements(results(rows(7, 3)))[1])


def test_latency_near_its_target_is_undecided() -> None:
    near = [evolve(row, seconds=0.03 if i % 2 else 0.175) for i, row in enumerate(rows(40, 0))]
    latency = judgements(results(near))[2]
    assert latency.decision is Decision.UNDECIDED
    assert latency.needed is not None
    assert latency.needed > 40
    assert len(judgements(results([evolve(row, seconds=None) for row in near]))) == 2


def test_nothing_answered_decides_nothing() -> None:
    lost = [Row(question="q", expected="lang:go", error="down")]
    assert [each.decision for each in judgements(results(lost))] == [Decision.UNDECIDED] * 2


def test_repeats_of_a_question_are_not_so_many_questions() -> None:
    thrice = rows(30, 10) * 3
    alone = judgements(results(rows(30, 10)))[1].interval
    together = judgements(results(thrice, repeats=3))[1].interval
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.02)
    report = Report.of(results(thrice, repeats=3))
    assert any("100% of 40 questions always the same" in note for note in report.verdict_notes)


def test_pairs() -> None:
    model, baseline = rows(30, 10, 0.05), rows(15, 25, 0.2)
    found = paired(list(zip(model, baseline, strict=True)))
    assert (found.one_only, found.other_only, found.total, found.significant) == (15, 0, 40, True)
    assert found.p_value == pytest.approx(2 * 0.5**15)
    assert found.latency_ms is not None
    assert found.latency_ms.high == pytest.approx(-150)
    lost = evolve(baseline[0], error="down", actual="", seconds=None)
    assert paired([(model[0], lost)]).total == 0
    same = paired([(row, row) for row in model])
    assert not same.significant


def test_slices_are_corrected_for_how_many_there_are() -> None:
    found = slices([*rows(20, 0, intent="files"), *rows(2, 18, intent="commits"), *rows(1, 1, intent="few")])
    by_intent = {each.value: each for each in found if each.key == "intent"}
    assert set(by_intent) == {"files", "commits"}
    assert by_intent["commits"].p_value < 0.001
    assert by_intent["commits"].model.count == 2
    even = slices([*rows(10, 10, intent="a"), *rows(10, 10, intent="b")])
    assert [each.p_value for each in even] == [1.0] * len(even)
    both = slices(rows(8, 2, intent="a") + rows(5, 5, intent="b"), rows(1, 9) + rows(0, 10))
    assert [each.baseline.count for each in both if each.baseline and each.key == "intent"] == [1, 0]


def test_a_report_says_what_its_figures_are_worth() -> None:
    model, baseline = results(rows(30, 10)), results(rows(15, 25))
    text = str(Report.of(model, baseline))
    assert "Semantic Match: 75.0%, 95% interval" in text
    assert (
        "Right alone: Fine-tuned 15, Baseline 0 of 40 questions; more than noise (McNemar p=6.1e-05)" in text
    )
    assert "Floor echo: syntax valid 40/40 (100%), semantic match 0/40 (0%)" in text
    assert "Floor rules: " in text
    assert "Not what was expected: 10 " in text
    summary = Report.of(model, baseline).summary()
    assert summary["judgements"][1]["decision"] == "UNDECIDED"
    assert summary["paired"]["one_only"] == 15
    assert summary["floors"]["echo"] == {"syntax_valid": 1.0, "semantic_match": 0.0}


def test_five_answers_to_a_question_are_one_in_a_test() -> None:
    def asked(found: list[Row]) -> list[Row]:
        return [evolve(row, repeat=repeat) for repeat in range(5) for row in found]

    one, other = rows(20, 20, 0.05), rows(16, 24, 0.05)
    once = paired(list(zip(one, other, strict=True)))
    often = paired(list(zip(asked(one), asked(other), strict=True)))
    assert often == once
    assert (once.one_only, once.other_only, once.total) == (4, 0, 40)
    mixed = [*rows(9, 1, intent="a"), *rows(4, 6, intent="b")]
    assert [each.p_value for each in slices(asked(mixed))] == [each.p_value for each in slices(mixed)]
    assert slices(asked(mixed))[0].model.total == 5 * slices(mixed)[0].model.total
    (latency,) = judgements(results(asked(one), repeats=5))[2:]
    assert latency.interval == judgements(results(one))[2].interval
