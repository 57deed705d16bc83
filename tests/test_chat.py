"""Every way a server can fail is one typed error that says where, and whether to ask again."""

from __future__ import annotations

import socket

import pytest
from stub_server import CUT, EMPTY, HALF_JSON, HTML, Hang, Raw, Reply, StubServer, completion, status

from nls_sdk.chat import ask, connect
from nls_sdk.errors import ConfigError, EndpointError, EndpointUnavailable
from nls_sdk.prompt import prompt
from nls_sdk.translator import Translation

KEY = "sk-secret-1234"


def answer(reply: Reply, *, timeout: float = 10, server_key: str | None = None) -> Translation:
    with StubServer(reply, key=server_key) as server:
        return ask(connect(server.url, api_key=KEY, timeout=timeout), "llm", prompt("q"))


def test_an_answer_is_its_text_without_white_space() -> None:
    found = answer(completion(" lang:go\n", x_server_time_ms="12.5"))
    assert found == "lang:go"
    assert (found.server_seconds, found.finish_reason) == (0.0125, "stop")


@pytest.mark.parametrize("told", ["nan", "inf", "-1", "soon"])
def test_a_server_time_that_is_none_is_ignored(told: str) -> None:
    assert answer(completion("lang:go", x_server_time_ms=told)).server_seconds is None


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_an_answer(text: str) -> None:
    assert answer(completion(text)) == ""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (status(408), "408"),
        (status(429, "slow down"), "429: slow down"),
        (status(500), "500"),
        (status(503), "503"),
        (Raw(b"<html>", 502, "text/html"), "502"),
        (CUT, "no answer"),
        (Hang(), r"within 0\.3 s"),
    ],
)
def test_what_may_pass_can_be_asked_again(reply: Reply, said: str) -> None:
    with pytest.raises(EndpointUnavailable, match=said) as caught:
        answer(reply, timeout=0.3 if isinstance(reply, Hang) else 10)
    assert caught.value.retryable
    assert "http://127.0.0.1:" in caught.value.message


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (status(400, "too long"), "400: too long"),
        (status(403), "403"),
        (status(404, "no such model"), "(?s)404: no such model.*'llm'.*end in /v1"),
        (status(422), "422"),
        (HALF_JSON, "not a completion"),
        (EMPTY, "not a completion"),
        (HTML, "not a completion"),
        (Raw(b"[]"), "not a completion"),
        (Raw(b"null"), "not a completion"),
        (Raw(b'{"choices": []}'), "not a completion"),
        (Raw(b'{"choices": null, "error": {"message": "x"}}'), "not a completion"),
        (Raw(b'{"choices": "\xff'), "not a completion"),
        (completion(None), "no text"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(reply: Reply, said: str) -> None:
    with pytest.raises(EndpointError, match=said) as caught:
        answer(reply)
    assert not caught.value.retryable


def test_a_wrong_key_is_told_and_never_shown() -> None:
    with pytest.raises(EndpointError, match=r"the API key is wrong or missing \(401\)") as caught:
        answer("lang:go", server_key="another")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("code", [400, 429, 500])
def test_a_key_that_the_server_repeats_is_not_shown(code: int) -> None:
    with pytest.raises(EndpointError, match=r"bad key \*\*\*") as caught:
        answer(status(code, f"bad key {KEY}"))
    assert KEY not in repr(caught.value)


def test_a_failure_is_one_request() -> None:
    with StubServer(status(503)) as server:
        with pytest.raises(EndpointUnavailable):
            ask(connect(server.url, timeout=10), "llm", prompt("q"))
        assert len(server.asked) == 1


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://name:password@127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(EndpointUnavailable, match="no answer") as caught:
            ask(connect(url, timeout=10), "llm", prompt("q"))
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000/v1", "http://", "ftp://a/v1", "http://a:99999/v1", "http://["]
)
def test_what_is_no_url_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a base URL"):
        connect(url, timeout=1)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "sk-sécret", "“sk-secret”"])
def test_a_key_that_no_header_can_carry_is_told_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="cannot be sent") as caught:
        connect("http://127.0.0.1:8000/v1", api_key=key, timeout=1)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_server_on_this_machine_is_asked_without_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert answer("lang:go") == "lang:go"


@pytest.mark.parametrize("before", range(260, 304, 4))
def test_no_part_of_a_key_is_shown_where_a_long_text_is_cut(before: int) -> None:
    with pytest.raises(EndpointError, match=r"400: .*xx") as caught:
        answer(status(400, "x" * before + f"{KEY} is wrong"))
    assert KEY[:3] not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "-3"}, None),
        ({}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(told: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(EndpointUnavailable) as caught:
        answer(Raw(b"{}", 429, headers=told))
    assert caught.value.retry_after == seconds


def test_an_answer_says_who_gave_it_and_how_many_tokens_it_took() -> None:
    found = answer("lang:go")
    assert (found.model, found.tokens_in, found.tokens_out) == ("stub", 1, 1)
    other = answer(Raw(b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "1"}}'))
    assert (other.model, other.tokens_in, other.finish_reason) == (None, None, None)


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    with pytest.raises(EndpointError, match=r"longer than 1,000,000 bytes") as caught:
        answer(completion("x" * 3_000_000))
    assert not caught.value.retryable


def test_a_connection_is_used_again() -> None:
    with StubServer("lang:go") as server:
        client = connect(server.url, timeout=10)
        assert [ask(client, "llm", prompt("q")) for _ in range(3)] == ["lang:go"] * 3
        assert len(server.asked) == 3


def test_an_answer_that_takes_long_is_fetched_where_the_server_says() -> None:
    later = Raw(b"", 303, headers={"location": "/v1/chat/completions?call=1"})
    with StubServer(later, later, "lang:go", key=KEY) as server:
        assert ask(connect(server.url, api_key=KEY, timeout=10), "llm", prompt("q")) == "lang:go"
        assert [asked.path.partition("?")[2] for asked in server.asked] == ["", "call=1", "call=1"]


def test_a_way_without_end_is_given_up() -> None:
    with pytest.raises(EndpointError, match="303"):
        answer(Raw(b"", 303, headers={"location": "/v1/chat/completions"}))


@pytest.mark.parametrize("code", [302, 303, 307])
def test_the_key_goes_to_no_other_server(code: int) -> None:
    with StubServer("lang:go") as other:
        away = Raw(b"", code, headers={"location": f"{other.url}/chat/completions"})
        with pytest.raises(EndpointError):
            answer(away)
        assert other.asked == []
