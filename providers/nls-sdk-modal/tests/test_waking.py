"""Waking a server: it is asked with its key, and nobody else is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from places import wait_for

from nls_sdk_modal.waking import Waker


class Server(ThreadingHTTPServer):
    """Notes who asks, and answers that, or sends them on."""

    def __init__(self, onward: str = "") -> None:
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["authorization"]))
                self.send_response(302 if onward else 200)
                self.send_header("location", onward)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def finish_waking() -> None:
    for thread in threading.enumerate():
        if thread.name == "waker":
            thread.join(20)


def test_a_server_is_woken_with_its_key_and_not_twice_at_once() -> None:
    with running(Server()) as server:
        waker = Waker()
        for _ in range(3):
            waker.wake(server.url, "its-key")
        wait_for(lambda: server.asked, seconds=20)
        finish_waking()
        assert server.asked == [("/health", "Bearer its-key")]


def test_the_key_goes_to_no_other_server() -> None:
    with running(Server()) as other, running(Server(onward=other.url)) as server:
        Waker().wake(server.url, "its-key")
        wait_for(lambda: server.asked, seconds=20)
        finish_waking()
        assert other.asked == []


def test_a_server_that_is_not_there_is_not_cared_for() -> None:
    Waker().wake("http://127.0.0.1:9", "its-key")
    finish_waking()
