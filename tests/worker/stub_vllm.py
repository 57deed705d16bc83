#!/usr/bin/env python3
"""Stands where vLLM's command would: its health, metrics and chat, without a model."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUESTS = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (
            f'vllm:request_success_total{{model_name="llm"}} {REQUESTS}\n' if self.path == "/metrics" else ""
        )
        self._answer(200, body)

    def do_POST(self) -> None:
        global REQUESTS
        self.rfile.read(int(self.headers["content-length"]))
        if self.headers["authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            return self._answer(401, "{}")
        REQUESTS += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": "lang:go"}, "finish_reason": "stop"}
        head = {"id": "1", "object": "chat.completion", "created": 0, "model": "llm"}
        return self._answer(200, json.dumps({**head, "choices": [choice]}))

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    print("arguments:", json.dumps(sys.argv[1:]), flush=True)
    if "CRASH" in os.environ:
        print("INFO: loading")
        print("RuntimeError: out of sorts", flush=True)
        print("INFO: bye", flush=True)
        sys.exit(3)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
