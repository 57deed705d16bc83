"""`eval baseline|run|report` and `compare`, against a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cli.calling import Call, right
from stub_server import Reply, StubServer, status

from nls_sdk import Dataset
from nls_sdk.cli.asking import Asking
from nls_sdk.evaluation.files import read_results
from nls_sdk.evaluation.journal import read_journal
from nls_sdk.evaluation.pacing import Limits, Price
from nls_sdk.evaluation.results import Results

FOLDER = Path("data/datasets/evaluations")

pytestmark = pytest.mark.usefixtures("data")


def test_eval_run_writes_a_file_and_prints_the_table(call: Call, good: StubServer) -> None:
    done = call("eval", "run", "--url", good.url)
    assert done.code == 0
    assert "2/2 (100%)" in done.out
    assert "evaluate Fine-tuned: 2/2" in done.err
    (file,) = FOLDER.glob("eval-*.json")
    assert f"Written: {file}" in done.err
    assert Results.read(file).semantic_match.count == 2


def test_a_sample(call: Call, good: StubServer) -> None:
    found = call("eval", "run", "--url", good.url, "--sample", "1", "--json").json
    assert found["model"]["questions"] == 1
    assert Path(found["file"]).exists()


def test_baseline_then_run_then_report(call: Call, good: StubServer, bad: StubServer) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    baseline = call("eval", "baseline", "--base-url", bad.url)
    assert baseline.code == 0
    assert "sk-test" not in baseline.out + baseline.err
    assert bad.asked[0].headers["authorization"] == "Bearer sk-test"
    assert (FOLDER / "baseline-gpt-4o-mini.json").exists()
    call("eval", "run", "--url", good.url)
    report = call("eval", "report")
    assert report.code == 0
    assert "Baseline:   data/datasets/evaluations/baseline-gpt-4o-mini.json" in report.err
    assert "2/2 (100%)" in report.out
    assert "0/2 (0%)" in report.out
    assert call("eval", "report", "--json").json["verdicts"]["fine_tuned_better"] == 2


def test_report_is_1_when_a_target_is_missed_and_run_is_not(call: Call, bad: StubServer) -> None:
    assert call("eval", "run", "--url", bad.url).code == 0
    report = call("eval", "report", "--json")
    assert report.code == 1
    assert report.json["passed"] is False


def test_no_key_is_said_before_any_work(call: Call) -> None:
    done = call("eval", "baseline")
    assert done.code == 2
    assert "OPENAI_API_KEY is not set" in done.err
    assert "https://platform.openai.com/api-keys" in done.err
    assert not FOLDER.exists()


class Interrupting(StubServer):
    """Presses Ctrl-C before it answers its `at`-th request, the warm-up counted."""

    def __init__(self, at: int) -> None:
        from _thread import interrupt_main

        self.at = at

        def script(question: str) -> str:
            if len(self.asked) >= self.at:
                interrupt_main()
            return right(question)

        super().__init__(script)


def test_ctrl_c_keeps_what_was_answered(call: Call, data: Path) -> None:
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(50)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    with Interrupting(at=6) as server:
        done = call("eval", "run", "--url", server.url)
    assert done.code == 130
    (file,) = FOLDER.glob("eval-*.json*")
    assert f"kept in {file}" in done.err
    answered = len(read_results(file).rows)
    assert 0 < answered < 50
    report = call("eval", "report")
    assert "interrupted" in report.out
    assert f"Not whole: {file} has {answered} of 50 questions." in report.err


def test_resume_goes_on_with_what_was_interrupted(call: Call, data: Path, good: StubServer) -> None:
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(50)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    assert call("eval", "run", "--url", good.url, "--resume").code == 2
    with Interrupting(at=6) as server:
        call("eval", "run", "--url", server.url)
        (journal,) = FOLDER.glob("eval-*.jsonl")
        answered = len(read_results(journal).rows)
        other = call("eval", "run", "--url", good.url, "--resume")
        assert other.code == 2
        assert "had another url" in other.err
        server.at = 1000
        before = len(server.asked)
        done = call("eval", "run", "--url", server.url, "--resume")
        assert done.code == 0
        assert f"Going on with {journal}" in done.err
        assert len(server.asked) - before - 1 == 50 - answered
    assert not journal.exists()
    assert len(Results.read(journal.with_suffix(".json")).rows) == 50


def test_a_newer_file_that_is_not_whole_is_not_taken(call: Call, data: Path, good: StubServer) -> None:
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(50)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    whole = call("eval", "run", "--url", good.url, "--json").json["file"]
    with Interrupting(at=6) as server:
        call("eval", "run", "--url", server.url)
    (journal,) = FOLDER.glob("eval-*.jsonl")
    report = call("eval", "report")
    assert f"Not whole: {journal}" in report.err
    assert f"Evaluation: {whole}" in report.err
    assert f"{journal}; --resume goes on" in call("eval", "run", "--url", good.url).err
    assert "interrupted" in call("eval", "report", "--evaluation", str(journal)).out


def test_plan_asks_nothing(call: Call, good: StubServer) -> None:
    plan = call("eval", "run", "--url", good.url, "--plan")
    assert plan.code == 0
    assert "2 questions" in plan.out
    assert "UNDECIDED between" in plan.out
    assert good.asked == []
    call("eval", "run", "--url", good.url)
    found = call("eval", "run", "--plan", "--json").json
    assert found["targets"][0]["needed"] == 73
    assert found["targets"][0]["expected"] == 1.0


@pytest.mark.parametrize("option", ["--rate", "--tokens-per-minute", "--max-cost"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_amount_is_refused(call: Call, option: str, value: str) -> None:
    done = call("eval", "run", "--url", "http://127.0.0.1:1/v1", "--price", "1,1", option, value)
    assert done.code == 2
    assert f"{value} is not a finite number" in done.err


def test_a_spend_cap_needs_a_price_and_is_kept(call: Call, good: StubServer) -> None:
    assert call("eval", "run", "--url", good.url, "--max-cost", "1").code == 2
    assert call("eval", "run", "--url", good.url, "--price", "1").code == 2
    done = call("eval", "run", "--url", good.url, "--max-cost", "0", "--price", "1,2")
    assert done.code == 0
    assert "spend cap" in done.out
    assert len(good.asked) == 1


def test_an_answer_that_is_known_is_not_paid_for_twice(call: Call, good: StubServer) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    call("eval", "baseline", "--base-url", good.url, "--sample", "1")
    done = call("eval", "baseline", "--base-url", good.url)
    assert "1 answers are known already" in done.err
    assert len([each for each in good.asked if "qu" in each.question]) == 2
    before = len(good.asked)
    assert call("eval", "baseline", "--base-url", good.url).code == 0
    assert len(good.asked) == before
    call("eval", "baseline", "--base-url", good.url, "--model", "another")
    assert len(good.asked) == before + 3


def test_half_a_baseline_does_not_take_the_place_of_a_whole_one(
    call: Call, data: Path, good: StubServer
) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    call("eval", "baseline", "--base-url", good.url)
    whole = (FOLDER / "baseline-gpt-4o-mini.json").read_bytes()
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(50)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    with Interrupting(at=6) as server:
        assert call("eval", "baseline", "--base-url", server.url).code == 130
    assert (FOLDER / "baseline-gpt-4o-mini.json").read_bytes() == whole
    journal = FOLDER / "baseline-gpt-4o-mini.jsonl"
    asked = len(read_journal(journal).rows)
    assert asked
    with StubServer(status(401)) as refusing:
        assert call("eval", "baseline", "--base-url", refusing.url).code == 1
    assert not journal.exists()
    (kept,) = FOLDER.glob("baseline-gpt-4o-mini.*.json")
    assert Results.read(kept).answered == asked
    assert (FOLDER / "baseline-gpt-4o-mini.json").read_bytes() == whole


def test_ctrl_c_before_the_first_answer_leaves_no_file(call: Call) -> None:
    with Interrupting(at=1) as server:
        done = call("eval", "run", "--url", server.url, "--json")
    assert done.code == 130
    assert "nothing to keep" in done.err
    assert (done.json["file"], done.json["interrupted"], done.json["questions"]) == (None, True, 0)
    assert not FOLDER.exists()


@pytest.fixture
def dying() -> Iterator[StubServer]:
    """Answers the warm-up and one question, and from then on nothing."""

    def script(question: str) -> Reply:
        return right(question) if len(server.asked) <= 2 else status(400)

    with StubServer(script) as server:
        yield server


def test_a_server_that_dies_midway_is_exit_1_and_no_answer_lost(
    call: Call, dying: StubServer, good: StubServer
) -> None:
    done = call("eval", "run", "--url", dying.url)
    assert done.code == 1
    assert "1 of 2 requests failed. `--resume --retry-failed` asks those again." in done.err
    (journal,) = FOLDER.glob("eval-*.json*")
    assert journal.suffix == ".jsonl"
    dying.asked.clear()
    assert call("eval", "run", "--url", dying.url, "--resume", "--retry-failed").code == 0
    assert len(dying.asked) == 2, "the warm-up, and what had failed"
    assert not journal.exists()
    assert Results.read(journal.with_suffix(".json")).answered == 2


def test_a_baseline_that_fails_is_exit_1_and_asked_again(call: Call, dying: StubServer) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    done = call("eval", "baseline", "--base-url", dying.url)
    assert done.code == 1
    assert "1 of 2 requests failed. The same command asks only those again." in done.err
    dying.asked.clear()
    assert call("eval", "baseline", "--base-url", dying.url).code == 0
    assert len(dying.asked) == 2
    assert Results.read(FOLDER / "baseline-gpt-4o-mini.json").answered == 2


def test_a_cap_takes_the_price_that_the_baseline_knows() -> None:
    known, told = Price(0.15, 0.6), Price(1, 2)
    limits = Asking(max_cost=1.0).priced(known).limits
    assert (limits.price, limits.max_cost) == (known, 1.0)
    assert Asking(limits=Limits(price=told)).priced(known).limits == Limits(price=told)
    with pytest.raises(click.UsageError, match="needs --price"):
        Asking(max_cost=1.0).priced(None)


def test_no_evaluation_yet(call: Call) -> None:
    done = call("eval", "report")
    assert done.code == 2
    assert "`nls-finetune eval run` makes one" in done.err


def test_a_server_that_is_not_there(call: Call) -> None:
    done = call("eval", "run", "--url", "http://127.0.0.1:9/v1", "--json")
    assert done.code == 1
    assert json.loads(done.out)["error"]["type"] == "EndpointUnavailable"
    assert not FOLDER.exists()


def test_a_small_baseline_does_not_take_the_place_of_a_whole_one(call: Call, good: StubServer) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    call("eval", "baseline", "--base-url", good.url)
    file = FOLDER / "baseline-gpt-4o-mini.json"
    whole = file.read_bytes()
    done = call("eval", "baseline", "--base-url", good.url, "--sample", "1")
    assert done.code == 0
    assert file.read_bytes() == whole
    beside = FOLDER / "baseline-gpt-4o-mini.1-answers.json"
    assert (
        f"Written: {beside}\n{file} has other answers, or was asked in another way, and is left as it is."
        in done.err
    )
    assert len(Results.read(beside).rows) == 1


def test_a_broken_baseline_is_passed_over_unless_it_is_named(call: Call, good: StubServer) -> None:
    FOLDER.mkdir(parents=True)
    broken = FOLDER / "baseline-broken.json"
    broken.write_text("{")
    done = call("eval", "run", "--url", good.url)
    assert done.code == 0
    assert done.err.index("Written: ") < done.err.index(f"Passed over: {broken}")
    assert "2/2 (100%)" in done.out
    assert call("eval", "report").code == 0
    named = call("eval", "report", "--baseline", str(broken))
    assert named.code == 2
    assert str(broken) in named.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_was_answered(data: Path, number: signal.Signals) -> None:
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(50)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    script = Path(sys.executable).with_name("nls-finetune")

    def answer(question: str) -> str:
        if len(server.asked) == 6:
            process.send_signal(number)
        return right(question)

    with StubServer(answer) as server:
        process = subprocess.Popen(
            [script, "eval", "run", "--url", server.url], stderr=subprocess.PIPE, text=True
        )
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (file,) = FOLDER.glob("eval-*.jsonl")
    assert f"kept in {file}" in err
    assert 0 < len(read_results(file).rows) < 50


def test_a_report_is_written_in_every_form(call: Call, good: StubServer) -> None:
    call("eval", "run", "--url", good.url)
    options = [
        ("--html", "r.html"),
        ("--markdown", "r.md"),
        ("--junit", "r.xml"),
        ("--report-json", "r.json"),
    ]
    done = call("eval", "report", *[word for pair in options for word in pair])
    assert done.code == 0
    for _, name in options:
        assert f"Written: {name}" in done.err
        assert Path(name).stat().st_size > 300
    assert call("eval", "report", "--decided").code == 1, "two questions decide nothing"


def test_a_page_tells_the_commit_it_was_written_at(call: Call, good: StubServer) -> None:
    call("eval", "run", "--url", good.url)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    call("eval", "report", "--html", "r.html")
    assert f"<dt>Commit</dt><dd>{head[:12]}</dd>" in Path("r.html").read_text("utf-8")


def test_history(call: Call, good: StubServer) -> None:
    assert "no evaluation there" in call("eval", "history").out
    file = Path(call("eval", "run", "--url", good.url, "--json").json["file"])
    listed = call("eval", "history").out.splitlines()
    assert listed[0].startswith("CREATED")
    assert listed[1].endswith(file.name)
    (found,) = call("eval", "history", "--json").json
    assert (found["questions"], found["path"]) == (2, str(file))


def test_a_run_is_followed_from_its_data_to_its_evaluations(call: Call, good: StubServer) -> None:
    for command in (("train",), ("merge",), ("deploy",)):
        assert call(*command, "--run-name", "night").code == 0
    call("eval", "run", "--url", good.url)
    told = call("list-runs", "--lineage").out
    assert told.startswith("night\n  state ")
    assert "  recipe   the defaults\n" in told
    page = call("eval", "report", "--html", "r.html", "--run-name", "night")
    assert page.code == 0
    text = Path("r.html").read_text("utf-8")
    assert "<dt>Commit</dt>" not in text
    assert "Training data" in text


def test_what_a_model_says_does_not_steer_the_terminal(call: Call, good: StubServer) -> None:
    call("eval", "run", "--url", good.url)
    (file,) = FOLDER.glob("eval-*.json")
    body = json.loads(file.read_text("utf-8"))
    body["rows"][0] |= {"actual": "repo:x \x1b]0;owned\x07\r\u202e\u009b2J"}
    Path("after.json").write_text(json.dumps(body), "utf-8")
    done = call("compare", str(file), "after.json")
    assert r"repo:x \x1b]0;owned\x07\r\u202e\x9b2J" in done.out
    assert not set(done.out) & set("\x1b\x07\r\u202e\u009b")
