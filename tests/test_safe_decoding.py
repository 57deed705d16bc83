"""The three levels of decoding, against a server that answers what it is told to."""

from __future__ import annotations

import json
import socket
from threading import Event, Thread
from typing import Any

import pytest
from stub_server import Asked, Raw, StubServer, completion, status

from nls_sdk import Endpoint, Translation
from nls_sdk.errors import ConfigError, EndpointError, EndpointUnavailable
from nls_sdk.safe_decoding import fault_of, whole
from nls_sdk.sourcegraph import grammar

BAD = "lang:pyton retries"
GOOD = "lang:python retries"


def grammar_of(asked: Asked) -> str | None:
    field = asked.body.get("structured_outputs")
    return None if field is None else str(field["grammar"])


def test_free_is_the_answer_as_it_is() -> None:
    with StubServer(BAD) as server:
        answer = Endpoint(server.url, decoding="free").translate("q")
        assert (answer, answer.fault, answer.refused) == (BAD, None, None)
        assert [grammar_of(asked) for asked in server.asked] == [None]


def test_a_checked_answer_that_is_good_costs_nothing_more() -> None:
    with StubServer(GOOD) as server:
        answer = Endpoint(server.url).translate("q")
        assert (answer, answer.fault, answer.refused) == (GOOD, None, None)
        assert [grammar_of(asked) for asked in server.asked] == [None]


def test_a_checked_answer_that_is_bad_is_asked_for_again_under_the_grammar_and_says_so() -> None:
    with StubServer(
        completion(BAD, x_server_time_ms="10"), completion(GOOD, x_server_time_ms="20")
    ) as server:
        answer = Endpoint(server.url).translate("q")
        assert [grammar_of(asked) for asked in server.asked] == [None, grammar()]
    assert answer == GOOD
    assert answer.refused == BAD
    assert answer.fault is not None
    assert "'pyton'" in answer.fault
    assert answer.server_seconds == pytest.approx(0.03)
    assert answer.seconds is not None
    assert answer.network_seconds == pytest.approx(max(0.0, answer.seconds - 0.03))
    assert answer.tokens_out == 2


def test_a_server_that_knows_no_grammar_leaves_the_answer_standing_with_its_fault() -> None:
    with StubServer(BAD, status(400, "structured_outputs: extra fields not permitted")) as server:
        answer = Endpoint(server.url).translate("q")
    assert (answer, answer.refused) == (BAD, None)
    assert answer.fault == fault_of(BAD) is not None


def test_a_server_that_takes_no_notice_of_the_grammar_is_found_out() -> None:
    with StubServer(BAD) as server:
        answer = Endpoint(server.url).translate("q")
        assert (answer, answer.refused, answer.fault) == (BAD, None, fault_of(BAD))
        assert answer.tokens_out == 2, "both answers are counted"
        under = Endpoint(server.url).translate("q", decoding="grammar")
        assert (under, under.fault) == (BAD, fault_of(BAD))


def test_a_second_request_that_fails_for_now_is_a_failure() -> None:
    with StubServer(BAD, status(500)) as server, pytest.raises(EndpointUnavailable):
        Endpoint(server.url).translate("q")


def test_under_the_grammar_one_request_is_enough() -> None:
    with StubServer(GOOD) as server:
        assert Endpoint(server.url).translate("q", decoding="grammar") == GOOD
        assert [grammar_of(asked) for asked in server.asked] == [grammar()]


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ("lang:python file:ret[r", "lang:python"),
        ("repo:^a$ lang:pyth", "repo:^a$"),
        ("lang:go retr", "lang:go retr"),
        ("repo:[", ""),
    ],
)
def test_what_the_limit_of_tokens_cut_within_a_word_is_left_out(cut: str, kept: str) -> None:
    assert whole(Translation(cut, finish_reason="length")) == kept
    assert fault_of(kept) is None


def test_an_answer_that_ended_by_itself_is_not_touched() -> None:
    assert whole(Translation(BAD, finish_reason="stop")) == BAD


def test_the_level_is_looked_at_before_anything_is_sent() -> None:
    with StubServer(GOOD) as server:
        with pytest.raises(ConfigError, match="free, checked or grammar"):
            Endpoint(server.url, decoding="strict")  # type: ignore[arg-type]  # that is what is tested
        with pytest.raises(ConfigError, match="free, checked or grammar"):
            Endpoint(server.url).translate("q", decoding="strict")  # type: ignore[arg-type]  # that is what is tested
        assert server.asked == []


def chunks(*values: Any, done: bool = True) -> Raw:
    lines = [f"data: {json.dumps(value)}\n\n" for value in values] + ["data: [DONE]\n\n"] * done
    return Raw("".join(lines).encode(), content_type="text/event-stream")


def piece(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def events(*pieces: str, done: bool = True) -> Raw:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
    return chunks(*map(piece, pieces), end, usage, done=done)


def drained(endpoint: Endpoint, **how: str) -> tuple[list[str], Translation]:
    stream, pieces = endpoint.stream("q", **how), []  # type: ignore[arg-type]  # the cases are one mapping
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


def test_a_stream_gives_the_pieces_and_at_its_end_the_whole() -> None:
    with StubServer(events("lang:", "pyton", " x")) as server:
        pieces, answer = drained(Endpoint(server.url))
        assert server.asked[0].body["stream"] is True
    assert pieces == ["lang:", "pyton", " x"]
    assert (answer, answer.finish_reason, answer.tokens_out) == ("lang:pyton x", "stop", 4)
    assert answer.fault is not None, "what was shown cannot be taken back, but it is said"


def test_a_stream_can_be_under_the_grammar() -> None:
    with StubServer(events("lang:go")) as server:
        _, answer = drained(Endpoint(server.url), decoding="grammar")
        assert grammar_of(server.asked[0]) == grammar()
    assert (answer, answer.fault) == ("lang:go", None)


def test_a_stream_under_the_grammar_that_is_no_query_says_so() -> None:
    with StubServer(events("lang:", "pyt")) as server:
        _, answer = drained(Endpoint(server.url), decoding="grammar")
    assert answer.fault == fault_of("lang:pyt") is not None


def test_a_stream_waits_for_a_server_that_is_starting() -> None:
    with StubServer(status(503), events("lang:go")) as server:
        assert drained(Endpoint(server.url, cold_timeout=10.0))[1] == "lang:go"
        assert len(server.asked) == 2
    with StubServer(status(503)) as server, pytest.raises(EndpointUnavailable, match="503"):
        drained(Endpoint(server.url))


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    reply = events("lang:", done=False)
    with StubServer(reply) as server, pytest.raises(EndpointUnavailable, match="broke off"):
        drained(Endpoint(server.url))


def test_a_stream_that_the_server_gave_up_is_no_answer_though_it_ends_as_one() -> None:
    reply = chunks(piece("lang:"), {"error": {"message": "the engine died, key-1", "code": 500}})
    with (
        StubServer(reply) as server,
        pytest.raises(EndpointUnavailable, match=r"the answer broke off: the engine died, \*\*\*"),
    ):
        drained(Endpoint(server.url, api_key="key-1"))


@pytest.mark.parametrize("event", [{"choices": 5}, {"choices": [5]}, {"choices": [{"delta": 7}]}, [1]])
def test_a_stream_of_something_else_is_refused(event: Any) -> None:
    with StubServer(chunks(event)) as server, pytest.raises(EndpointError, match="not a stream"):
        drained(Endpoint(server.url))


def test_a_stream_that_nobody_reads_on_ends_the_connection() -> None:
    gone = Event()

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as client:
            client.recv(65536)
            event = f"data: {json.dumps(piece('lang:'))}\n\n"
            head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            client.sendall(f"{head}{len(event):x}\r\n{event}\r\n".encode())
            client.settimeout(10)
            while client.recv(65536):
                pass
            gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answer, args=(listener,), daemon=True).start()
        endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        stream = endpoint.stream("q")
        assert next(stream) == "lang:"
        stream.close()
        assert gone.wait(5)


def test_a_refused_stream_is_the_refusal() -> None:
    with StubServer(status(429)) as server, pytest.raises(EndpointUnavailable, match="429"):
        drained(Endpoint(server.url))


def test_a_connection_that_streamed_is_used_again() -> None:
    with StubServer(events("lang:go"), GOOD) as server:
        endpoint = Endpoint(server.url)
        drained(endpoint)
        assert endpoint.translate("q") == GOOD
