"""The endpoint sends what the model was trained on, hides its key, and stops only what is ours."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from stub_server import HALF_JSON, Hang, Raw, Reply, StubServer, status

from nls_sdk import Endpoint
from nls_sdk.errors import ConfigError, EndpointError, EndpointUnavailable
from nls_sdk.prompt import SYSTEM_PROMPT


def test_a_request_is_the_training_prompt_with_thinking_off() -> None:
    with StubServer("lang:python", key="k") as server:
        endpoint = Endpoint(server.url, api_key="k", max_tokens=32)
        assert endpoint.translate("find Python files") == "lang:python"
        (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": "llm",
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": "find Python files"},
        ],
        "max_tokens": 32,
        "temperature": 0.0,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_an_empty_system_prompt_is_left_out() -> None:
    with StubServer("lang:python") as server:
        Endpoint(server.url, system="").translate("find Python files")
        assert [message["role"] for message in server.asked[0].body["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (status(401), EndpointError),
        (status(404), EndpointError),
        (status(429), EndpointUnavailable),
        (status(500), EndpointUnavailable),
        (HALF_JSON, EndpointError),
        (Hang(), EndpointUnavailable),
    ],
)
def test_a_failing_server_is_a_typed_error(reply: Reply, error: type[EndpointError]) -> None:
    with StubServer(reply) as server, pytest.raises(EndpointError) as caught:
        Endpoint(server.url, api_key="sk-secret", timeout=0.5 if isinstance(reply, Hang) else 10).translate(
            "q"
        )
    assert type(caught.value) is error
    assert "sk-secret" not in str(caught.value)


def test_a_refused_connection_is_told_as_such() -> None:
    with StubServer("x") as server:
        url = server.url
    with pytest.raises(EndpointUnavailable, match="no answer: Connection refused"):
        Endpoint(url).translate("q")


def test_a_bad_url_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="is not a base URL"):
        Endpoint("localhost:8000")


def test_the_key_is_hidden() -> None:
    endpoint = Endpoint("http://127.0.0.1:1/v1", api_key="sk-secret")
    assert "sk-secret" not in repr(endpoint)
    assert endpoint.api_key == "sk-secret"


def test_what_a_url_may_hide_is_not_shown() -> None:
    assert "pa55" not in repr(Endpoint("http://me:pa55@127.0.0.1:1/v1"))
    with pytest.raises(ConfigError, match="is not a base URL") as caught:
        Endpoint("http://127.0.0.1:1/v1?key=pa55")
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "60", None, True])
def test_a_timeout_that_is_no_time_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout = "):
        Endpoint("http://127.0.0.1:1/v1", timeout=timeout)


@pytest.mark.parametrize("given", [{"url": None}, {"url": "http://127.0.0.1:1/v1", "api_key": 5}])
def test_what_is_no_text_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="must be a str"):
        Endpoint(**given)


@pytest.mark.parametrize("question", [None, 5, b"q", ["q"]])
def test_a_question_that_is_no_text_is_never_sent(question: Any) -> None:
    with StubServer("lang:go") as server:
        with pytest.raises(ConfigError, match="The question must be a str"):
            Endpoint(server.url).translate(question)
        with pytest.raises(ConfigError, match="The question must be a str"):
            list(Endpoint(server.url).stream(question))
        assert server.asked == []


def test_a_server_that_is_not_ours_outlives_the_block() -> None:
    with StubServer("lang:go") as server:
        with Endpoint(server.url) as endpoint:
            endpoint.translate("q")
        endpoint.stop()
        assert Endpoint(server.url).translate("q") == "lang:go"


def test_many_threads_ask_at_once() -> None:
    with StubServer(lambda question: f"echo {question}") as server, ThreadPoolExecutor(8) as pool:
        questions = [f"q{i}" for i in range(40)]
        answers = list(pool.map(Endpoint(server.url).translate, questions))
    assert answers == [f"echo {question}" for question in questions]


def test_a_question_with_half_a_character_is_not_the_servers_fault() -> None:
    with StubServer("lang:go") as server:
        with pytest.raises(EndpointError, match="cannot be sent as UTF-8"):
            Endpoint(server.url).translate("half \ud83d")
        assert server.asked == []


def test_a_server_that_is_starting_is_waited_for() -> None:
    with StubServer(status(503), status(503), "lang:go") as server:
        assert Endpoint(server.url, cold_timeout=30.0).translate("go files") == "lang:go"
        assert len(server.asked) == 3


def test_a_server_says_what_it_serves() -> None:
    names = {"data": [{"id": "llm"}, {"id": "first.serve@3fa9c1d20b77"}]}
    with StubServer(status(503), Raw(json.dumps(names).encode())) as server:
        endpoint = Endpoint(server.url, cold_timeout=20.0)
        assert endpoint.models() == ["llm", "first.serve@3fa9c1d20b77"]
        assert [asked.path for asked in server.asked] == ["/v1/models"] * 2


@pytest.mark.parametrize("reply", [Raw(b"[]"), Raw(b'{"data": [{}]}'), HALF_JSON, status(404)])
def test_what_is_no_list_of_models_is_a_typed_error(reply: Reply) -> None:
    with StubServer(reply) as server, pytest.raises(EndpointError) as caught:
        Endpoint(server.url).models()
    assert "/v1" in caught.value.hint


def test_a_server_that_never_starts_is_given_up() -> None:
    with StubServer(status(503)) as server, pytest.raises(EndpointUnavailable) as caught:
        Endpoint(server.url, cold_timeout=1.0).translate("go files")
    assert caught.value.status == 503
