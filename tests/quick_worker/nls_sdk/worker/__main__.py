"""A worker without torch, in place of the shipped one: each step's state is a hash of the one before.

So a run that was resumed at a wrong step, or did one twice, ends with another adapter. What it does besides
is said by the run's name: `slow`, `steady` (in training alone), `deadly` (dies at step 3, always), `mortal`
(once), `mute` (never ready), `broken` (fails to start), `leaky` (tells its secrets).
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Ready, dump_event
from nls_sdk.rundir import RunDirectory, locate
from nls_sdk.tasks import DryRun, Merge, Serve, Train

QUICK, STEADY, SLOW = 0.02, 0.1, 0.25


def tell(event: Event) -> None:
    print(dump_event(event), flush=True)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def train(run: RunDirectory, task: Train | DryRun, ways: set[str]) -> None:
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    steps = sorted(int(p.name.rpartition("-")[2]) for p in run.checkpoints.glob("checkpoint-*") if p.is_dir())
    step, state = 0, task.key
    if steps:
        step = steps[-1]
        state = (run.checkpoints / f"checkpoint-{step}" / "state").read_text()
        tell(Log(f"resuming from the checkpoint of step {step}"))
    total = task.recipe.max_steps or 10
    while step < total:
        time.sleep(SLOW if "slow" in ways else STEADY if "steady" in ways else QUICK)
        step += 1
        state = sha(f"{state}{step}/{total}")
        tell(Progress(step, total, loss=1 / step))
        if step % task.recipe.checkpoint_steps == 0:
            staged = run.checkpoints / ".staged"
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir()
            for name in ("padding-1", "padding-2", "state"):
                (staged / name).write_text(state)
            staged.rename(run.checkpoints / f"checkpoint-{step}")
        if step == 3 and ("deadly" in ways or ("mortal" in ways and not steps)):
            time.sleep(1.0)
            os.kill(os.getpid(), signal.SIGKILL)
    (run.path / "adapter").mkdir(exist_ok=True)
    (run.path / "adapter" / "weights").write_text(state)
    tell(
        run.write_done({"adapter": run.output("adapter")}, {"seconds": total * 1.0, "examples": total * 8.0})
    )


def merge(run: RunDirectory, task: Merge) -> None:
    adapter = locate(run.home, task.adapter)
    if not (adapter / "weights").is_file():
        return tell(Failed("this is no adapter"))
    weights = (adapter / "weights").read_text()
    (run.path / "model").mkdir(exist_ok=True)
    (run.path / "model" / "weights").write_text(sha(weights))
    tell(run.write_done({"model": run.output("model")}, {"seconds": 1.0}))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every question with a hash of it and of the model."""

    protocol_version = "HTTP/1.1"
    key, model, seconds = "", "", 0.0
    names: tuple[str, ...] = ()

    def do_GET(self) -> None:
        self._reply(200, {"data": [{"id": name} for name in self.names]})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        if self.key and self.headers.get("authorization") != f"Bearer {self.key}":
            return self._reply(401, {"error": {"message": "no"}})
        time.sleep(self.seconds)
        question = json.loads(asked)["messages"][-1]["content"]
        message = {"role": "assistant", "content": f"repo:{sha(self.model + question)[:12]}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._reply(
            200, {"id": "1", "object": "chat.completion", "created": 0, "model": "llm", "choices": [choice]}
        )

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def serve(run: RunDirectory, task: Serve, ways: set[str], host: str) -> None:
    assert not isinstance(task.model, str)
    Handler.model = (locate(run.home, task.model) / "weights").read_text()
    Handler.names = (task.config.model_name, task.served_as)
    Handler.key = os.environ.get("NLS_API_KEY", "")
    Handler.seconds = 1.0 if "slow" in ways else 0.0
    if "mute" in ways:
        time.sleep(600)
    if "broken" in ways:
        tell(Failed("vLLM ended with code 1: ValueError: no room for the weights"))
        return
    server = http.server.ThreadingHTTPServer((host, task.config.port), Handler)
    tell(Log(f"serving with the key {Handler.key}"))
    tell(Ready(f"http://127.0.0.1:{server.server_address[1]}/v1", "llm"))
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_id")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--device")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--watch-stdin", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(tell(Cancelled())))  # type: ignore[func-returns-value]  # tell is called for what it does
    run = RunDirectory(options.home, options.run_id)
    if (done := run.read_done()) is not None:
        return tell(done)
    task = run.read_task()
    ways = set(task.name.split("-"))
    if "leaky" in ways:
        print(f"the token is {os.environ.get('HF_TOKEN')}", flush=True)
    if options.processes > 1:
        tell(Log(f"{options.processes} processes share it"))
    match task:
        case Train() | DryRun():
            train(run, task, ways)
        case Merge():
            merge(run, task)
        case Serve():
            serve(run, task, ways, options.host)


main()
