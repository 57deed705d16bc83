"""A journal loses no answer: killed anywhere, gone on with, equal in the end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_server import StubServer

from nls_sdk import Dataset, Endpoint, Example
from nls_sdk.errors import EndpointError, EvaluationError
from nls_sdk.evaluation.evaluator import WARMUP_QUESTION, EvaluationInterrupted, Evaluator
from nls_sdk.evaluation.journal import Journal, read_header, read_journal, read_rows
from nls_sdk.evaluation.pacing import Limits, Price
from nls_sdk.evaluation.results import Results, Row
from nls_sdk.evaluation.streaming import stream

DATA = Dataset.from_pairs([(f"question {i}", f"lang:go n{i}") for i in range(40)])


class Scripted:
    """A translator that answers by a function."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str] = lambda question: f"lang:go {question}") -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.parameters: dict[str, object] = {"model": "m1"}

    def translate(self, question: str) -> str:
        if question != WARMUP_QUESTION:
            self.asked.append(question)
        return self.answer(question)


class Silent:
    """A translator that remembers nothing."""

    name = "silent"

    def translate(self, question: str) -> str:
        return "lang:go"


def plain(results: Results) -> list[tuple[object, ...]]:
    """Rows without what a clock decides."""
    return [(row.question, row.expected, row.actual, row.error, row.line, row.repeat) for row in results.rows]


def interrupted(path: Path, after: int, **options: int) -> Scripted:
    """A journal of so many answers at least, and who gave them."""
    translator = Scripted()
    left = [after]

    def interrupt(_: Row) -> None:
        left[0] -= 1
        if not left[0]:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(EvaluationInterrupted):
        Evaluator(DATA, **options).run(translator, on_row=interrupt, journal=path)
    return translator


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_interrupted_evaluation_goes_on_and_asks_nothing_twice(tmp_path: Path, concurrency: int) -> None:
    path = tmp_path / "new" / "eval.jsonl"
    first = interrupted(path, 7, concurrency=concurrency)
    assert read_journal(path).partial
    second = Scripted()
    results = Evaluator(DATA, concurrency=concurrency).run(second, journal=path)
    assert sorted(first.asked + second.asked) == sorted(example.question for example in DATA)
    assert plain(results) == plain(Evaluator(DATA).run(Scripted()))
    assert results == read_journal(path)
    assert results.cold_start_seconds is not None
    third = Scripted()
    assert Evaluator(DATA).run(third, journal=path).rows == results.rows
    assert third.asked == []


@pytest.mark.parametrize("cut", range(1, 400, 57))
def test_a_line_that_was_cut_off_is_no_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "eval.jsonl"
    whole = Evaluator(DATA).run(Scripted(), journal=path)
    body = path.read_bytes()
    path.write_bytes(body[:-cut])
    lost = 40 - len(read_journal(path).rows)
    assert lost == body[-cut:].count(b"\n")
    again = Scripted()
    assert plain(Evaluator(DATA).run(again, journal=path)) == plain(whole)
    assert len(again.asked) == lost


def test_a_header_that_was_cut_off_is_none(tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_bytes(b'{"schema": 1, "na')
    assert len(Evaluator(DATA).run(Scripted(), journal=path).rows) == 40


def test_a_journal_of_another_evaluation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    interrupted(path, 5)
    before = path.read_bytes()
    other = Scripted()
    other.parameters = {"model": "m2"}
    with pytest.raises(EvaluationError, match=r"eval\.jsonl: .* another model\.\nBegin a new one"):
        Evaluator(DATA).run(other, journal=path)
    with pytest.raises(EvaluationError, match="another fingerprint, asked"):
        Evaluator(DATA).run(Scripted(), journal=path, sample=3)
    with pytest.raises(EvaluationError, match="another asked, repeats"):
        Evaluator(DATA, repeats=2).run(Scripted(), journal=path)
    assert path.read_bytes() == before
    assert other.asked == []


def test_only_one_process_writes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    interrupted(path, 5)
    mine = Journal(path, read_header(path))
    with pytest.raises(EvaluationError, match="another process is at this evaluation"):
        Evaluator(DATA).run(Scripted(), journal=path)
    mine.close()
    Evaluator(DATA).run(Scripted(), journal=path)


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"{", b'{"at": 1}', b'{"at": 99, "question": 3, "expected": ""}']
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "eval.jsonl"
    interrupted(path, 5)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:], b""]))
    with pytest.raises(EvaluationError, match=r"eval\.jsonl:4: not a row"):
        read_journal(path)


@pytest.mark.parametrize("body", [b"", b"{}\n", b"[]\n", b"x\n", b'{"schema": 7}\n', b'{"schema": 1}\n'])
def test_what_is_no_journal_is_named(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_bytes(body)
    with pytest.raises(EvaluationError, match=r"eval\.jsonl: not the journal"):
        read_journal(path)
    with pytest.raises(EvaluationError, match="no such evaluation file"):
        read_journal(tmp_path / "absent.jsonl")


def test_what_failed_is_asked_again_only_when_it_is_wished(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question in ("question 1", "question 2"):
            raise EndpointError("down")
        return "lang:go"

    path = tmp_path / "eval.jsonl"
    Evaluator(DATA).run(Scripted(answer), journal=path)
    again, mended = Scripted(), Scripted()
    assert len(Evaluator(DATA).run(again, journal=path).failures) == 2
    assert again.asked == []
    results = Evaluator(DATA).run(mended, journal=path, retry_failed=True)
    assert sorted(mended.asked) == ["question 1", "question 2"]
    assert (len(results.rows), results.failures) == (40, ())


def test_half_a_character_is_kept_as_an_escape(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question == "question 1":
            raise EndpointError("no \ud800")
        return "lang:go \ud800"

    results = Evaluator(DATA).run(Scripted(answer), journal=tmp_path / "eval.jsonl")
    assert results.rows[0].actual == "lang:go \\ud800"
    assert results.rows[1].error == "no \\ud800"
    assert Results.read(results.write(tmp_path / "eval.json")) == results


def test_what_is_known_is_not_asked(tmp_path: Path) -> None:
    known = Evaluator(DATA).run(Scripted(), sample=25)
    for journal in (None, tmp_path / "eval.jsonl"):
        translator = Scripted()
        results = Evaluator(DATA).run(translator, known=known, journal=journal)
        assert len(translator.asked) == 15
        assert plain(results) == plain(Evaluator(DATA).run(Scripted()))
    nobody = Scripted()
    Evaluator(DATA).run(nobody, known=known, sample=10)
    assert nobody.asked == []


def test_any_number_of_translators_are_asked_the_same(tmp_path: Path) -> None:
    ones = [Scripted(), Scripted(lambda _: "x"), Scripted()]
    found = Evaluator(DATA).run_each(ones, sample=5, folder=tmp_path)
    assert [len(results.rows) for results in found] == [5, 5, 5]
    assert len({tuple(one.asked) for one in ones}) == 1
    again = Scripted()
    assert Evaluator(DATA).run_each([again], sample=5, folder=tmp_path)[0].rows == found[0].rows
    assert again.asked == []
    assert len(Evaluator(DATA).run_each([Scripted()], sample=5)) == 1


def test_repeats_are_rows_of_their_own() -> None:
    results = Evaluator(DATA, repeats=3).run(Scripted())
    assert (len(results.rows), results.asked, results.repeats) == (120, 120, 3)
    assert [row.repeat for row in results.rows] == [0] * 40 + [1] * 40 + [2] * 40
    assert [row.question for row in results.rows[40:80]] == [example.question for example in DATA]


KILLED = """
import sys
from nls_sdk import Dataset, Endpoint, Evaluator
from nls_sdk.cli import _leave
import signal
signal.signal(signal.SIGTERM, _leave)
data = Dataset.from_jsonl(sys.argv[1])
try:
    Evaluator(data, concurrency=8).run(Endpoint(sys.argv[2]), journal=sys.argv[3])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_evaluation_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    pairs = [(f"question {i}", "lang:go") for i in range(100)]
    data = Dataset.from_pairs(pairs).write(tmp_path / "val.jsonl")
    path, rng = tmp_path / "eval.jsonl", random.Random(5)

    def slow(question: str) -> str:
        time.sleep(0.02)
        return f"lang:go {question}"

    with StubServer(slow) as server:
        command = [sys.executable, "-c", KILLED, str(data), server.url, str(path)]
        for _ in range(2):
            process, before = subprocess.Popen(command), len(server.asked)
            while len(server.asked) < before + 3:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.04))
            process.send_signal(number)
            assert process.wait(30) != 0
        subprocess.run(command, check=True, timeout=60)
        asked = [each.question for each in server.asked if each.question != WARMUP_QUESTION]
    results = read_journal(path)
    assert [row.question for row in results.rows] == [question for question, _ in pairs]
    assert all(row.actual == f"lang:go {row.question}" for row in results.rows)
    # What was under way when the process was killed outright is all that is asked again.
    assert len(asked) - 100 <= (0 if number is signal.SIGTERM else 2 * 8)
    answered = [row.question for _, row in read_rows(path)]
    assert len(answered) == len(set(answered))


def test_a_stream_keeps_nothing_in_memory(tmp_path: Path) -> None:
    peaks = []
    for total in (200, 3_000):
        tracemalloc.start()
        found = stream(
            (Example.of(f"question {i}", "lang:go") for i in range(total)),
            Silent(),
            concurrency=4,
            journal=tmp_path / f"{total}.jsonl",
        )
        assert sum(row.right for row in found) == total
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000


def test_a_stream_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first, second = Scripted(), Scripted()
    some = stream(DATA, first, journal=path)
    assert [next(some).right for _ in range(3)]
    some.close()
    rest = list(stream(DATA, second, journal=path))
    assert len(first.asked) + len(rest) == 40
    assert not {*first.asked} & {*second.asked}
    assert {place for place, _ in read_rows(path)} == set(range(40))


def test_a_spend_cap_is_kept_and_counts_what_was_spent_before(tmp_path: Path) -> None:
    # The stub counts one token each way; a question and its longest answer are guessed at far more.
    limits = Limits(price=Price(1_000_000, 1_000_000), max_cost=200)
    path = tmp_path / "eval.jsonl"
    with StubServer("lang:go") as server:
        results = Evaluator(DATA, limits=limits).run(Endpoint(server.url), journal=path)
        assert results.cost is not None
        assert 0 < results.cost <= 200
        assert results.partial
        assert results.stopped == "the spend cap of $200 is reached"
        before = len(results.rows)
        again = Evaluator(DATA, limits=limits).run(Endpoint(server.url), journal=path)
        assert len(again.rows) == before
        more = Limits(price=Price(1_000_000, 1_000_000), max_cost=1000)
        whole = Evaluator(DATA, limits=more).run(Endpoint(server.url), journal=path)
    assert (whole.partial, whole.cost, whole.stopped) == (False, 80, "")
