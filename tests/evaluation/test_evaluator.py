"""The evaluator: order, clock, retries, failures and Ctrl-C, with real translators and a real server."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import stamina
from stub_server import Hang, Reply, StubServer, completion, status

from nls_sdk import Dataset, Endpoint
from nls_sdk.errors import ConfigError, EndpointError, EndpointUnavailable, EvaluationError
from nls_sdk.evaluation.evaluator import WARMUP_QUESTION, EvaluationInterrupted, Evaluator
from nls_sdk.evaluation.results import Row, Share
from nls_sdk.metrics import Verdict
from nls_sdk.retry import ATTEMPTS

PAIRS = [(f"question {i}", f"lang:go n{i}") for i in range(12)]
DATA = Dataset.from_pairs(PAIRS)
ORDER = [f"question {i}" for i in DATA.order()]
"""The questions in the order in which they are asked."""


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retries follow each other at once."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


class Scripted:
    """A translator that answers by a function."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def translate(self, question: str) -> str:
        self.asked.append(question)
        return self.answer(question)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_rows_come_in_the_datasets_order(concurrency: int) -> None:
    def slower_first(question: str) -> str:
        time.sleep(0.02 if question.endswith("0") else 0.001)
        return question

    told: list[Row] = []
    translator = Scripted(slower_first)
    results = Evaluator(DATA, concurrency=concurrency).run(translator, on_row=told.append)
    assert [row.question for row in results.rows] == [question for question, _ in PAIRS]
    assert [row.actual for row in results.rows] == [row.question for row in results.rows]
    assert sorted(map(repr, told)) == sorted(map(repr, results.rows))
    assert not results.partial
    assert results.elapsed_seconds is not None
    if concurrency == 1:
        assert translator.asked[1:] == [row.question for row in told] == ORDER


def test_the_first_answers_are_a_sample_of_all() -> None:
    for n in (1, 5, 12):
        assert {example.question for example in DATA.sample(n)} == set(ORDER[:n])


def test_requests_are_in_flight_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(_: str) -> str:
        meeting.wait()
        return "lang:go"

    results = Evaluator(DATA, concurrency=3, warmup=0).run(Scripted(meet))
    assert results.failures == ()


def test_what_the_results_know() -> None:
    results = Evaluator(DATA).run(Scripted(lambda _: "lang:go"))
    assert results.name == "scripted"
    assert results.fingerprint == DATA.fingerprint
    assert results.created.utcoffset() is not None
    assert results.syntax_valid == results.semantic_match == Share(12, 12)


def test_warm_up_requests_are_not_counted_and_the_first_is_the_cold_start() -> None:
    calls = iter([0.15, *[0.0] * 20])

    def answer(_: str) -> str:
        time.sleep(next(calls))
        return "lang:go"

    translator = Scripted(answer)
    results = Evaluator(DATA, warmup=2).run(translator)
    assert translator.asked == [WARMUP_QUESTION] * 2 + ORDER
    assert results.cold_start_seconds is not None
    assert results.cold_start_seconds >= 0.15
    assert results.latency is not None
    assert results.latency.mean < 100
    assert Evaluator(DATA, warmup=0).run(translator).cold_start_seconds is None


def test_a_failed_request_is_a_row_of_its_own() -> None:
    def answer(question: str) -> str:
        match question:
            case "question 3":
                raise EndpointError("refused", hint="Ask otherwise.")
            case "question 4":
                raise KeyError("plugin fault")
            case "question 5":
                return None  # type: ignore[return-value]  # what the test is about
        return "lang:go"

    results = Evaluator(DATA).run(Scripted(answer))
    assert len(results.rows) == 12
    assert [(row.question, row.error) for row in results.failures] == [
        ("question 3", "refused"),
        ("question 4", "KeyError: 'plugin fault'"),
        ("question 5", "scripted answered NoneType, not text."),
    ]
    assert all(row.seconds is None and not row.right for row in results.failures)
    assert results.syntax_valid == Share(9, 9)


def test_a_retried_request_counts_its_last_attempt_only() -> None:
    replies: list[Reply] = ["warm", status(429), status(503), "lang:go"]
    with StubServer(*replies) as server:
        start = time.perf_counter()
        results = Evaluator(DATA[:1]).run(Endpoint(server.url))
        waited = time.perf_counter() - start
    (row,) = results.rows
    assert (row.attempts, row.actual, row.error) == (3, "lang:go", None)
    assert row.seconds is not None
    assert row.seconds < waited / 2


@pytest.mark.usefixtures("no_waits")
def test_a_server_that_is_overloaded_for_good_fails_the_row() -> None:
    with StubServer(lambda question: "lang:go" if question != "question 1" else status(503)) as server:
        results = Evaluator(DATA[:3]).run(Endpoint(server.url))
    assert [row.attempts for row in results.rows] == [1, 5, 1]
    assert "503" in (results.rows[1].error or "")


@pytest.mark.usefixtures("no_waits")
def test_a_server_that_is_gone_does_not_cost_retries_for_ever() -> None:
    def lost(question: str) -> Reply:
        return status(503) if question in ORDER[:5] else "lang:go"

    told: list[Row] = []
    with StubServer(lost) as server:
        Evaluator(DATA).run(Endpoint(server.url), on_row=told.append)
    assert [row.attempts for row in told] == [5, 5, 5] + [1] * 9
    assert [row.failed for row in told] == [True] * 5 + [False] * 7


def test_the_servers_own_time_is_apart() -> None:
    with StubServer(completion("lang:go", x_server_time_ms="7.5")) as server:
        results = Evaluator(DATA[:2]).run(Endpoint(server.url))
    assert results.server_latency is not None
    assert results.server_latency.p50 == 7.5
    assert Evaluator(DATA[:2]).run(Scripted(lambda _: "x")).server_latency is None


@pytest.mark.parametrize("error", [EndpointError("wrong key"), ConfigError("no key")])
def test_a_translator_that_cannot_be_used_is_told_before_any_question(error: Exception) -> None:
    def refuse(_: str) -> str:
        raise error

    translator = Scripted(refuse)
    with pytest.raises(type(error)):
        Evaluator(DATA).run(translator)
    assert translator.asked == [WARMUP_QUESTION]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_control_c_loses_nothing_that_was_answered(concurrency: int) -> None:
    def interrupt(row: Row) -> None:
        if row.question == ORDER[3]:
            signal.raise_signal(signal.SIGINT)

    def answer(_: str) -> str:
        time.sleep(0.01)
        return "lang:go"

    translator = Scripted(answer)
    with pytest.raises(KeyboardInterrupt) as caught:
        Evaluator(DATA, concurrency=concurrency).run(translator, on_row=interrupt)
    assert isinstance(caught.value, EvaluationInterrupted)
    results = caught.value.results
    # What was under way at Ctrl-C is waited for: no question is asked in vain.
    asked = translator.asked[1:]
    assert {row.question for row in results.rows} == set(asked) > set(ORDER[:3])
    assert (results.partial, results.asked) == (True, 12)
    assert len(asked) < 10
    time.sleep(0.1)
    assert translator.asked[1:] == asked


def test_control_c_in_the_midst_of_a_request() -> None:
    main = threading.get_ident()
    with StubServer("warm", "lang:go", Hang()) as server:

        def interrupt() -> None:
            while len(server.asked) < 3:
                time.sleep(0.01)
            signal.pthread_kill(main, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(EvaluationInterrupted) as caught:
            Evaluator(DATA, grace=0.2).run(Endpoint(server.url, timeout=30))
    assert [row.actual for row in caught.value.results.rows] == ["lang:go"]


def test_a_sample_is_the_same_each_time() -> None:
    evaluator = Evaluator(DATA)
    one, other = (evaluator.run(Scripted(lambda _: "x"), sample=5) for _ in range(2))
    assert [row.question for row in one.rows] == [row.question for row in other.rows]
    assert len(one.rows) == one.asked == 5
    assert one.fingerprint != DATA.fingerprint
    assert len(evaluator.run(Scripted(lambda _: "x"), sample=500).rows) == 12


@pytest.mark.parametrize("sample", [0, -3])
def test_no_question_is_an_error(sample: int) -> None:
    with pytest.raises(EvaluationError, match="no question"):
        Evaluator(DATA).run(Scripted(lambda _: "x"), sample=sample)
    with pytest.raises(EvaluationError, match="no question"):
        Evaluator(Dataset(())).run(Scripted(lambda _: "x"))


def test_model_and_baseline_are_treated_alike() -> None:
    model, baseline = Scripted(lambda _: "lang:go"), Scripted(lambda _: "path:x")
    evaluator = Evaluator(DATA)
    report = evaluator.compare(model, baseline, sample=6)
    assert model.asked == baseline.asked
    assert report.verdicts[Verdict.FINE_TUNED_BETTER] == 6
    assert report.baseline is not None
    again = evaluator.compare(model, report.baseline)
    assert (len(again.pairs), again.left_out) == (6, 6)
    assert evaluator.compare(model).baseline is None


@pytest.mark.usefixtures("no_waits")
def test_an_overload_in_the_warm_up_is_waited_for() -> None:
    with StubServer(status(503), "lang:go") as server:
        results = Evaluator(DATA[:1]).run(Endpoint(server.url))
    assert results.rows[0].attempts == 1
    assert results.cold_start_seconds is not None
    with StubServer(status(503)) as server, pytest.raises(EndpointUnavailable):
        Evaluator(DATA).run(Endpoint(server.url))


def test_both_are_warmed_up_before_either_is_asked() -> None:
    def refuse(_: str) -> str:
        raise EndpointError("wrong key")

    model = Scripted(lambda _: "lang:go")
    with pytest.raises(EndpointError, match="wrong key"):
        Evaluator(DATA).compare(model, Scripted(refuse))
    assert model.asked == [WARMUP_QUESTION]


def test_results_with_nothing_in_common_are_refused_before_any_question() -> None:
    other = Evaluator(Dataset.from_pairs([("another", "lang:go")])).run(Scripted(lambda _: "x"))
    model = Scripted(lambda _: "lang:go")
    with pytest.raises(EvaluationError, match="no question in common"):
        Evaluator(DATA).compare(model, other)
    assert model.asked == [WARMUP_QUESTION]


def test_control_c_in_the_baseline_keeps_the_models_results() -> None:
    told: list[Row] = []

    def interrupt(row: Row) -> None:
        told.append(row)
        if len(told) == len(DATA) + 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(EvaluationInterrupted) as caught:
        Evaluator(DATA).compare(Scripted(lambda _: "lang:go"), Scripted(lambda _: "path:x"), on_row=interrupt)
    assert caught.value.model is not None
    assert sorted(map(repr, caught.value.model.rows)) == sorted(map(repr, told[:12]))
    assert {row.question for row in told[12:]} <= {row.question for row in caught.value.results.rows}
    assert caught.value.results.partial
