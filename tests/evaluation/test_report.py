"""The report is the table of the user's document, to the character, and its files come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from nls_sdk.errors import EvaluationError
from nls_sdk.evaluation.files import (
    baseline_path,
    known_answers,
    matching_baseline,
    newest_evaluation,
    save_baseline,
    save_evaluation,
)
from nls_sdk.evaluation.report import Report
from nls_sdk.evaluation.results import Latency, Results, Row, Share

TABLE = """\
┌────────────────┬─────────────┬─────────────┬────────┬────────┐
│ Metric         │  Fine-tuned │    Baseline │ Target │ Status │
├────────────────┼─────────────┼─────────────┼────────┼────────┤
│ Syntax Valid   │ 49/50 (98%) │ 41/50 (82%) │   ≥95% │  PASS  │
│ Semantic Match │ 34/50 (68%) │ 22/50 (44%) │   ≥70% │  FAIL  │
│ Avg Latency    │      2167ms │       999ms │ ≤100ms │  FAIL  │
└────────────────┴─────────────┴─────────────┴────────┴────────┘"""

CREATED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def results(name: str, rows: Iterable[Row], created: datetime = CREATED) -> Results:
    kept = tuple(rows)
    return Results(name=name, rows=kept, asked=len(kept), fingerprint="f", created=created)


def rows(total: int, valid: int, match: int, seconds: float) -> list[Row]:
    """Rows of which the first `match` are a semantic match and the last `total - valid` are invalid."""
    return [
        Row(
            question=f"question {i}",
            expected="lang:go",
            actual=("lang:go" if i < match else "repo:x") + (" path:x" if i >= valid else ""),
            seconds=seconds,
        )
        for i in range(total)
    ]


MODEL = results("Fine-tuned", rows(50, 49, 34, 2.167))
BASELINE = results("gpt-4o-mini", rows(50, 41, 22, 0.999))


def test_the_table_is_the_documents() -> None:
    report = Report.of(MODEL, BASELINE)
    assert report.table == TABLE
    assert str(report).startswith(TABLE + "\n")
    assert not report.passed


def test_without_baseline_its_column_holds_dashes() -> None:
    assert (
        Report.of(results("Fine-tuned", rows(50, 50, 50, 0.05))).table
        == """\
┌────────────────┬──────────────┬──────────────┬────────┬────────┐
│ Metric         │   Fine-tuned │     Baseline │ Target │ Status │
├────────────────┼──────────────┼──────────────┼────────┼────────┤
│ Syntax Valid   │ 50/50 (100%) │            - │   ≥95% │  PASS  │
│ Semantic Match │ 50/50 (100%) │            - │   ≥70% │  PASS  │
│ Avg Latency    │         50ms │            - │ ≤100ms │  PASS  │
└────────────────┴──────────────┴──────────────┴────────┴────────┘"""
    )


def test_titles_can_be_told() -> None:
    head = Report.of(MODEL, BASELINE, titles=("Fine-tuned", "Untuned base")).table.splitlines()[1]
    assert head == "│ Metric         │   Fine-tuned │ Untuned base │ Target │ Status │"


@pytest.mark.parametrize(
    ("total", "valid", "match", "seconds", "statuses"),
    [
        (100, 95, 70, 0.1, ["PASS", "PASS", "PASS"]),
        (100, 94, 69, 0.101, ["FAIL", "FAIL", "FAIL"]),
        (1000, 948, 698, 0.1004, ["FAIL", "FAIL", "FAIL"]),
    ],
)
def test_targets(total: int, valid: int, match: int, seconds: float, statuses: list[str]) -> None:
    report = Report.of(results("m", rows(total, valid, match, seconds)))
    assert [line.status for line in report.lines] == statuses
    assert report.passed == (statuses == ["PASS"] * 3)


def test_a_missed_target_is_not_rounded_into_a_met_one() -> None:
    lines = Report.of(results("m", rows(1000, 948, 698, 0.1004))).lines
    assert [line.model for line in lines] == ["948/1000 (94%)", "698/1000 (69%)", "101ms"]


def test_verdicts_and_differences() -> None:
    report = Report.of(MODEL, BASELINE)
    counts = {str(kind): count for kind, count in report.verdicts.items()}
    assert counts == {"tie": 22, "fine_tuned_better": 12, "baseline_better": 0, "both_wrong": 16}
    assert "Verdicts: 22 tie, 12 fine_tuned_better, 0 baseline_better, 16 both_wrong" in report.notes
    text = report.differences(limit=1).splitlines()
    assert text[:6] == [
        "Only Fine-tuned is right: 12",
        "  question 22",
        "    expected: lang:go",
        "    Fine-tuned: lang:go",
        "    Baseline: repo:x",
        "  and 11 more",
    ]


def test_failed_requests_are_no_answers_and_fail_the_report() -> None:
    lost = Row(question="lost", expected="lang:go", error="no answer within 60 s.", attempts=5)
    report = Report.of(results("m", [*rows(9, 9, 9, 0.05), lost]))
    assert report.model.syntax_valid == Share(9, 9)
    assert report.model.semantic_match == Share(9, 9)
    assert not lost.right
    assert (report.lines[3].metric, report.lines[3].model, report.lines[3].status) == (
        "Answered",
        "9/10 (90%)",
        "FAIL",
    )
    assert not report.passed
    assert report.model.latency == Latency(50.0, 50.0, 50.0, 50.0)
    note = "1 of 10 requests failed and are judged no answer; the first: 'lost': no answer within 60 s."
    assert f"Fine-tuned: {note}" in report.notes


def test_a_failed_request_of_either_has_no_verdict() -> None:
    lost = Row(question="question 0", expected="lang:go", error="down")
    model = results("m", rows(2, 2, 2, 0.05))
    report = Report.of(model, results("b", [lost, *rows(2, 2, 2, 0.05)[1:]]))
    assert sum(report.verdicts.values()) == 1


def test_when_every_request_failed_there_is_no_latency_and_it_fails() -> None:
    report = Report.of(results("m", [Row(question="q", expected="lang:go", error="down")]))
    assert report.lines[2].model == "-"
    assert [line.status for line in report.lines] == ["FAIL"] * 4


def test_held_out_slices_and_hallucinations_are_told() -> None:
    held = [
        evolve(row, metadata={"held_out": kind})
        for row, kind in zip(rows(4, 3, 2, 0.1), ("names", "names", "phrasings", None), strict=True)
    ]
    report = Report.of(results("m", held))
    names = "Fine-tuned, held_out=names: syntax valid 2/2 (100%), semantic match 2/2 (100%)"
    phrasings = "Fine-tuned, held_out=phrasings: syntax valid 1/1 (100%), semantic match 0/1 (0%)"
    assert report.notes[1:3] == (names, phrasings)
    assert "Fine-tuned hallucinates `path:` → Use `file:` instead (1 of 4)" in report.notes


def test_percentiles_are_times_that_were_measured() -> None:
    assert Latency.of(i / 1000 for i in range(200, 0, -1)) == Latency(100.5, 100.0, 190.0, 198.0)
    assert Latency.of([0.25]) == Latency(250.0, 250.0, 250.0, 250.0)
    assert Latency.of([]) is None


def test_only_common_questions_are_compared() -> None:
    model = results("m", rows(10, 10, 10, 0.1))
    report = Report.of(model, results("b", rows(12, 12, 6, 0.1)[5:]))
    assert report.lines[0].model == "5/5 (100%)"
    assert report.lines[1].baseline == "1/5 (20%)"
    assert report.left_out == 7
    assert "Compared on the 5 questions that both were asked; 7 others left out" in report.notes


def test_a_question_whose_expected_query_changed_is_another_question() -> None:
    other = [evolve(row, expected="repo:x") for row in rows(3, 3, 3, 0.1)]
    with pytest.raises(EvaluationError, match="no question in common"):
        Report.of(results("m", rows(3, 3, 3, 0.1)), results("b", other))


def test_a_question_asked_twice_is_paired_twice() -> None:
    twice = rows(1, 1, 1, 0.1) * 2
    assert len(Report.of(results("m", twice), results("b", twice)).pairs) == 2


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    whole = evolve(
        MODEL,
        source="val.jsonl",
        cold_start_seconds=1.5,
        asked=60,
        rows=(
            Row(question="ü", expected="a", actual="b", metadata={"intent": "x", "n": 1}, line=3),
            Row(question="q", expected="a", error="down", attempts=5),
        ),
    )
    path = whole.write(tmp_path / "new" / "eval.json")
    assert Results.read(path) == whole
    assert whole.partial
    stored = json.loads(path.read_text("utf-8"))
    assert stored["schema"] == 1
    assert stored["summary"]["failed"] == 1
    assert [path.name for path in path.parent.iterdir()] == ["eval.json"]


def test_what_follows_from_the_rows_is_not_believed_from_the_file(tmp_path: Path) -> None:
    path = MODEL.write(tmp_path / "eval.json")
    body = json.loads(path.read_text("utf-8"))
    for row in body["rows"]:
        row["syntax_valid"] = True
    path.write_text(json.dumps(body), "utf-8")
    assert Results.read(path).syntax_valid == Share(49, 50)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b'{"rows": [', "Expecting value"),
        (b"[]", "not an evaluation"),
        (b'{"rows": [], "schema": 2}', "schema 2, expected 1"),
        (b'{"rows": [{"question": 1}], "schema": 1}', "question"),
        (b"\xff\xfe\x00", "decode"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_is_no_evaluation_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "eval.json"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=said) as caught:
        Results.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"absent\.json: no such.*\n.*eval run"):
        Report.from_files(tmp_path / "absent.json")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvaluationError, match="cannot be written"):
        save_evaluation(MODEL, tmp_path / "file")


def test_a_report_comes_back_from_its_file(tmp_path: Path) -> None:
    for report in (Report.of(MODEL), Report.of(MODEL, BASELINE, titles=("a", "b"))):
        path = report.to_json(tmp_path / "report.json")
        assert Report.from_json(path) == report
        assert json.loads(path.read_text("utf-8"))["report"]["passed"] is False
    with pytest.raises(EvaluationError, match="not a report"):
        Report.from_json(MODEL.write(tmp_path / "eval.json"))


def test_evaluations_never_overwrite_each_other(tmp_path: Path) -> None:
    paths = [save_evaluation(MODEL, tmp_path) for _ in range(3)]
    assert [path.name for path in paths] == [
        "eval-20260304-050607.json",
        "eval-20260304-050608.json",
        "eval-20260304-050609.json",
    ]
    (tmp_path / "eval-notes.json").touch()
    assert newest_evaluation(tmp_path) == paths[-1]


def test_no_evaluation_at_all(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no evaluation there"):
        newest_evaluation(tmp_path)


def test_the_baseline_with_most_questions_in_common_matches(tmp_path: Path) -> None:
    assert matching_baseline(MODEL, tmp_path) is None
    path = save_baseline(BASELINE, tmp_path)
    assert path == baseline_path("gpt-4o-mini", tmp_path)
    assert path.name == "baseline-gpt-4o-mini.json"
    save_baseline(results("few", BASELINE.rows[:5]), tmp_path)
    save_baseline(results("org/other", [Row(question="?", expected="lang:go")]), tmp_path)
    assert matching_baseline(MODEL, tmp_path) == path
    assert {each.name for each in tmp_path.iterdir()} > {"baseline-org-other.json"}
    assert matching_baseline(results("m", [Row(question="new", expected="a")]), tmp_path) is None
    (tmp_path / "baseline-broken.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"Passed over: .*baseline-broken\.json"):
        assert matching_baseline(MODEL, tmp_path) == path


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        (BASELINE.rows[:3], "baseline-gpt-4o-mini.3-answers.json"),
        ([evolve(row, error="gone") for row in BASELINE.rows], "baseline-gpt-4o-mini.0-answers.json"),
    ],
)
def test_a_baseline_with_fewer_answers_takes_no_place(tmp_path: Path, worse: list[Row], name: str) -> None:
    whole = save_baseline(BASELINE, tmp_path)
    beside = save_baseline(results("gpt-4o-mini", worse), tmp_path)
    assert beside == tmp_path / name
    assert Results.read(whole) == BASELINE
    assert matching_baseline(MODEL, tmp_path) == whole
    newer = evolve(BASELINE, created=datetime(2027, 1, 1, tzinfo=UTC))
    assert save_baseline(newer, tmp_path) == whole
    assert Results.read(whole) == newer


def test_no_answer_that_was_paid_for_is_overwritten(tmp_path: Path) -> None:
    halves = [results("m", list(side)) for side in (BASELINE.rows[:4], BASELINE.rows[4:8], BASELINE.rows[6:])]
    written = [save_baseline(side, tmp_path) for side in halves]
    assert len(set(written)) == 3
    known = known_answers("m", {}, tmp_path)
    assert known is not None
    assert {row.question for row in known.rows} == {row.question for row in BASELINE.rows}
    assert len(known.rows) == len(BASELINE.rows)
    assert save_baseline(known, tmp_path) == baseline_path("m", tmp_path)


def test_a_baseline_that_answered_nothing_matches_nothing(tmp_path: Path) -> None:
    save_baseline(results("down", [evolve(row, error="gone") for row in BASELINE.rows]), tmp_path)
    assert matching_baseline(MODEL, tmp_path) is None


def test_a_broken_baseline_is_replaced(tmp_path: Path) -> None:
    path = baseline_path(BASELINE.name, tmp_path)
    path.write_text("{")
    assert save_baseline(BASELINE, tmp_path) == path
    assert Results.read(path) == BASELINE
