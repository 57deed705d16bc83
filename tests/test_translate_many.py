"""Many questions at one endpoint: in order, a few at a time, failures as values."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from stub_server import Raw, Reply, StubServer, status

from nls_sdk import Endpoint, NlsError
from nls_sdk.errors import ConfigError, EndpointError


class Counting:
    """Echoes questions, and keeps how many were under way at once."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds, self.now, self.most = seconds, 0, 0
        self._lock = threading.Lock()

    def __call__(self, question: str) -> Reply:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds * (1 + hash(question) % 3))
        with self._lock:
            self.now -= 1
        return f"echo {question}"


def outcomes(endpoint: Endpoint, questions: list[str], concurrency: int) -> list[str]:
    answers = endpoint.translate_many(questions, concurrency=concurrency)
    return [type(a).__name__ if isinstance(a, NlsError) else str(a) for a in answers]


def test_answers_come_in_order_and_no_more_than_so_many_at_once() -> None:
    script = Counting()
    questions = [f"q{i}" for i in range(30)]
    with StubServer(script) as server:
        assert outcomes(Endpoint(server.url), questions, 4) == [f"echo {q}" for q in questions]
    assert 1 < script.most <= 4


def test_a_question_that_fails_is_a_value_and_stops_none() -> None:
    def script(question: str) -> Reply:
        return status(400, "no") if question == "q1" else f"echo {question}"

    with StubServer(script) as server:
        many = list(Endpoint(server.url).translate_many(["q0", "q1", "q2"], concurrency=2))
    assert (many[0], many[2]) == ("echo q0", "echo q2")
    assert isinstance(many[1], EndpointError)


def test_a_failure_for_now_is_retried_and_a_refusal_is_not() -> None:
    with StubServer(status(503), "lang:go") as server:
        assert outcomes(Endpoint(server.url), ["q"], 1) == ["lang:go"]
        assert len(server.asked) == 2
    with StubServer(status(400)) as server:
        assert outcomes(Endpoint(server.url), ["q"], 1) == ["EndpointError"]
        assert len(server.asked) == 1


def test_questions_without_end_are_taken_as_answers_are() -> None:
    taken = []
    questions = (taken.append(i) or f"q{i}" for i in itertools.count())  # type: ignore[func-returns-value]  # append is called for what it does
    with StubServer(lambda question: f"echo {question}") as server:
        answers = Endpoint(server.url).translate_many(questions, concurrency=2)
        assert [next(answers) for _ in range(3)] == ["echo q0", "echo q1", "echo q2"]
        answers.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(taken) <= 3 + 2 * 2


@pytest.mark.parametrize("concurrency", [0, -1, 2.5, "2", None])
def test_no_concurrency_is_refused(concurrency: Any) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Endpoint("http://127.0.0.1:1/v1").translate_many(["q"], concurrency=concurrency)


def test_one_text_is_not_asked_letter_by_letter() -> None:
    with pytest.raises(ConfigError, match="one text"):
        Endpoint("http://127.0.0.1:1/v1").translate_many("python files")


def test_a_question_that_is_no_text_is_a_value_too() -> None:
    with StubServer("lang:go") as server:
        many = list(Endpoint(server.url).translate_many(["q", None]))  # type: ignore[list-item]  # that is what is tested
        assert [asked.question for asked in server.asked] == ["q"]
    assert many[0] == "lang:go"
    assert isinstance(many[1], ConfigError)


def test_nothing_more_is_asked_once_nobody_wants_the_answers() -> None:
    busy = Raw(b"{}", 429, headers={"retry_after": "0.3"})
    with StubServer(lambda question: "lang:go" if question == "a" else busy) as server:
        answers = Endpoint(server.url).translate_many(["a", "b", "c", "d"], concurrency=2)
        assert next(answers) == "lang:go"
        answers.close()  # type: ignore[attr-defined]  # it is a generator
        time.sleep(0.1)
        asked = len(server.asked)
        time.sleep(0.5)
        assert len(server.asked) == asked


def test_an_interrupted_process_ends_at_once_though_the_server_asks_to_wait() -> None:
    code = "import sys; from nls_sdk import Endpoint; list(Endpoint(sys.argv[1]).translate_many(['a', 'b']))"
    with StubServer(Raw(b"{}", 429, headers={"retry_after": "60"})) as server:
        child = subprocess.Popen([sys.executable, "-c", code, server.url], stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 30
            while not server.asked and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=10)
        finally:
            child.kill()
            child.wait()
    assert "KeyboardInterrupt" in said


def test_another_model_of_the_server_is_asked_by_its_name_and_stops_nothing() -> None:
    with StubServer("lang:go") as server:
        endpoint = Endpoint(server.url)
        with endpoint.of_model("team-a", system="Be brief.") as other:
            other.translate("q")
        endpoint.translate("q")
        models = [(asked.body["model"], asked.body["messages"][0]["content"]) for asked in server.asked]
    assert models[0] == ("team-a", "Be brief.")
    assert models[1][0] == "llm"
    assert other.keep
    assert not endpoint.keep
