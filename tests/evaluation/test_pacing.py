"""An evaluation keeps to its limits: rates, tokens a minute, money, and what a server asks for."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from stub_server import Raw, Reply, StubServer, completion, status

from nls_sdk import Dataset, Endpoint
from nls_sdk.evaluation.evaluator import Evaluator
from nls_sdk.evaluation.pacing import CapReached, Limits, Pace, Price

DATA = Dataset.from_pairs([(f"question {i}", "lang:go") for i in range(12)])


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def may(pace: Pace, question: str = "q") -> bool:
    """Whether a question may be asked at once."""
    stopped = threading.Event()
    threading.Timer(0.05, stopped.set).start()
    return pace.turn(question, stopped)


def test_a_wait_that_one_thread_is_asked_for_is_kept_by_all() -> None:
    times: list[float] = []
    lock = threading.Lock()

    def busy_once(_: str) -> Reply:
        with lock:
            times.append(time.monotonic())
            if len(times) == 3:
                return Raw(b"{}", 429, headers={"retry-after": "1"})
        time.sleep(0.05)
        return "lang:go"

    with StubServer(busy_once) as server:
        results = Evaluator(DATA, concurrency=2, warmup=0).run(Endpoint(server.url))
    assert results.failures == ()
    # Whoever was sent before the server spoke is answered; after that there is a second of silence.
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert 0.8 < max(gaps[2:4]) < 1.5


def test_an_open_loop_starts_questions_when_they_are_due_and_times_from_then() -> None:
    times: list[float] = []

    def slow(_: str) -> Reply:
        times.append(time.monotonic())
        time.sleep(0.1)
        return "lang:go"

    with StubServer(slow) as server:
        Evaluator(DATA, concurrency=12, warmup=0, limits=Limits(rate=50)).run(Endpoint(server.url))
        spread = times[-1] - times[0]
        assert 0.15 < spread < 0.6
        # One thread cannot keep up: the wait for it is part of what a user would wait.
        late = Evaluator(DATA, warmup=0, limits=Limits(rate=50)).run(Endpoint(server.url))
    assert late.latency is not None
    assert late.latency.p99 > 500


def test_tokens_a_minute() -> None:
    clock = Clock()
    pace = Pace(Limits(tokens_per_minute=600), {"max_tokens": 9}, clock=clock)
    assert may(pace)
    assert not may(pace)
    clock.now += 0.99
    assert not may(pace)
    clock.now += 0.1
    assert may(pace)
    pace.settle("q", 1, 1, lost=False)
    pace.settle("q", 1, 1, lost=False)
    assert may(pace), "what was guessed too high is given back"
    clock.now += 3600
    assert may(pace)
    assert may(pace)
    assert not may(pace), "an idle hour saves up a second's worth and no more"


def test_a_spend_cap_holds_back_for_what_is_under_way() -> None:
    pace = Pace(Limits(price=Price(0, 1_000_000), max_cost=25), {"max_tokens": 10})
    assert may(pace)
    assert may(pace)
    with pytest.raises(CapReached):
        may(pace)
    pace.settle("q", 5, 2, lost=False)
    assert pace.spent == 2
    assert may(pace)
    pace.settle("q", None, None, lost=True)
    assert pace.spent == 2
    pace.settle("q", None, None, lost=False)
    assert pace.spent == 12, "what the server does not tell is what was guessed"
    resumed = Pace(pace.limits, {"max_tokens": 10})
    resumed.recall("q", None, None)
    assert resumed.spent == 10, "and so it is when the evaluation goes on"


def test_limits_that_make_no_sense_are_refused() -> None:
    for wrong in ({"rate": 0}, {"tokens_per_minute": -1}, {"max_cost": 1.0}):
        with pytest.raises(ValueError, match=r"must be|price"):
            Limits(**wrong)
    with pytest.raises(ValueError, match="must be"):
        Price(-1, 0)


FAULTS: list[Reply] = [
    status(429),
    status(500),
    Raw(completion("lang:go").body, cut=True),
    Raw(completion("lang:go").body[:40]),
    completion("x" * 2_000_000),
    Raw(b""),
]


def test_whatever_a_server_does_each_question_is_a_row() -> None:
    data = Dataset.from_pairs([(f"question {i}", "lang:go") for i in range(120)])
    lock, count = threading.Lock(), [0]

    def faulty(_: str) -> Reply:
        with lock:
            count[0] += 1
            return FAULTS[count[0] // 3 % len(FAULTS)] if count[0] % 3 == 0 else "lang:go"

    with StubServer(faulty) as server:
        results = Evaluator(data, concurrency=16, warmup=0).run(Endpoint(server.url, timeout=5))
    assert [row.question for row in results.rows] == [example.question for example in data]
    assert all((row.actual == "lang:go") != row.failed for row in results.rows)
    assert results.failures
    assert max(row.attempts for row in results.rows) > 1
