"""JUnit XML and Markdown hold whatever a model says, and tell CI what failed; history lists what there is."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from answers import results, rows
from attrs import evolve
from browser.evil import EVIL, evil_report
from markdown_it import MarkdownIt

from nls_sdk.errors import EvaluationError
from nls_sdk.evaluation.files import save_evaluation
from nls_sdk.evaluation.history import Entry, history, lineage
from nls_sdk.evaluation.report import Report
from nls_sdk.providers import RunRecord


def test_junit(tmp_path: Path) -> None:
    report = evil_report(60)
    root = ElementTree.parse(report.to_junit(tmp_path / "junit.xml")).getroot()
    targets, questions = root.findall("testsuite")
    assert (targets.get("tests"), questions.get("tests")) == ("4", "60")
    wrong = [row for row in report.model.rows if not row.right and not row.failed]
    assert questions.get("failures") == str(len(wrong))
    assert questions.get("errors") == str(len(report.model.failures)) == "1"
    assert (questions[0].get("name") or "").startswith(f"line 1: {EVIL[0]}")
    assert "- lang:go\n+ file:src" in "".join(questions.itertext())
    failed = {case.get("name") for case in targets if case.find("failure") is not None}
    assert failed == {line.metric for line in report.lines if not line.passed}


def test_junit_holds_no_character_that_xml_cannot(tmp_path: Path) -> None:
    bad = evolve(rows(1, 0)[0], question="a\x00b\x1b[31m\ud800\ufffe c", actual="\x08")
    root = ElementTree.parse(Report.of(results([bad])).to_junit(tmp_path / "j.xml")).getroot()
    (case,) = root.iterfind("testsuite[@name='questions']/testcase")
    assert case.get("name") == "a\ufffdb\ufffd[31m\ufffd\ufffd c"


def test_markdown_is_read_as_text(tmp_path: Path) -> None:
    report = evil_report(60)
    text = report.to_markdown(tmp_path / "report.md").read_text("utf-8")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("<details>") == html.count("</details>") == len(report.misses)
    assert "<td>Semantic Match</td>" in html
    assert text.startswith("## ❌ Evaluation of ")


def test_a_report_goes_into_a_pipe_and_through_a_link(tmp_path: Path) -> None:
    report, pipe, link = Report.of(results(rows(3, 1))), tmp_path / "pipe", tmp_path / "link.md"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "real.md")
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        report.to_markdown(pipe)
        text = read.result(timeout=10)
    assert pipe.is_fifo(), "it is written into, not replaced"
    report.to_markdown(link)
    assert link.is_symlink()
    assert link.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.md", "pipe", "real.md"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    full = tmp_path / "full.html"
    full.symlink_to("/dev/full")
    with pytest.raises(EvaluationError, match=r"full.html: cannot be written: No space left"):
        Report.of(results(rows(3, 1))).to_html(full)


def test_history_is_of_whole_evaluations_oldest_first(tmp_path: Path) -> None:
    assert Report.history(tmp_path / "absent") == ()
    first = save_evaluation(results(rows(3, 1)), tmp_path)
    later = evolve(results(rows(4, 0)), parameters={"run": "night.serve"}, cost=0.5)
    second = save_evaluation(later, tmp_path)
    save_evaluation(evolve(results(rows(2, 0)), asked=10), tmp_path)
    (tmp_path / "eval-20260101-000009.json").write_text("{")
    (tmp_path / "eval-notes.json").write_text("{}")
    found = history(tmp_path)
    assert [each.path for each in found] == [first, second]
    assert [(each.run, each.semantic_match.count, each.cost) for each in found] == [
        (None, 3, None),
        ("night", 4, 0.5),
    ]


def test_lineage_leads_from_data_to_evaluations(trained: list[RunRecord], tmp_path: Path) -> None:
    later = evolve(results(rows(4, 0)), parameters={"run": "night.serve"})
    save_evaluation(later, tmp_path)
    (line,) = lineage(trained, history(tmp_path))
    assert line.name == "night"
    assert line.data
    assert line.recipe is not None
    assert line.recipe.lora_r == 16
    assert line.adapter
    assert line.model
    assert line.state == "ready"
    assert line.url
    (entry,) = line.evaluations
    assert isinstance(entry, Entry)
    assert lineage([]) == ()


@pytest.fixture
def trained(tmp_path: Path) -> list[RunRecord]:
    """The records of a run that was trained, merged and served at the fake provider."""
    from nls_sdk import Dataset, TrainingJob
    from nls_sdk.testing import FakeProvider

    fake = FakeProvider()
    data = Dataset.from_pairs([("Go files", "lang:go"), ("C files", "lang:c")])
    model = TrainingJob(data, fake, name="night").start().result().merge().result()
    model.deploy(detached=True)
    return list(fake.runs())
