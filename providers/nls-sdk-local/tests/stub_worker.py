"""A worker that does what its run's name says, for tests of the supervisor; it imports no torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded, dump_event
from nls_sdk.rundir import RunDirectory

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def tell(event: Event) -> None:
    print(dump_event(event), flush=True)


def watch_stdin() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    home, _, run_id = sys.argv[-3:]
    run = RunDirectory(Path(home), run_id)
    threading.Thread(target=watch_stdin, daemon=True).start()
    match run_id.split(".")[0].split("-")[0]:
        case "quick":
            print("a line", file=sys.stderr, flush=True)
            for step in range(1, 4):
                tell(Progress(step, 3, loss=1.0 / step))
            (run.path / "adapter").mkdir(exist_ok=True)
            (run.path / "adapter" / "weights").write_bytes(b"w" * 100)
            tell(run.write_done({"adapter": run.output("adapter")}, {"seconds": 30.0, "examples": 20.0}))
        case "leaky":
            token = os.environ["HF_TOKEN"]
            tell(Log(f"the token is {token}"))
            print(json.dumps({"not an event": token}), flush=True)
            tell(Failed(f"refused: {token}", hint=f"not {token} again"))
        case "gpu":
            tell(Log(json.dumps([os.environ.get("CUDA_VISIBLE_DEVICES"), sys.argv[1:-4]])))
            tell(run.write_done({}, {}))
        case "long":
            for step in range(1, 10_000):
                tell(Progress(step, 10_000))
                time.sleep(0.1)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.Popen(SLEEPER)
            subprocess.Popen(SLEEPER, start_new_session=True)
            tell(Progress(0, 1))
            time.sleep(600)
        case "littering":
            subprocess.Popen(SLEEPER)
            subprocess.Popen(SLEEPER, start_new_session=True)
            tell(run.write_done({}, {}))
        case "suicidal":
            (run.path / "checkpoints").mkdir(exist_ok=True)
            if not (run.path / "checkpoints" / "mended").exists():
                tell(Progress(1, 2))
                os.kill(os.getpid(), signal.SIGKILL)
            tell(run.write_done({}, {}))
        case "halting":
            if not (run.path / "checkpoints").exists():
                (run.path / "checkpoints").mkdir()
                tell(Progress(1, 2))
            time.sleep(600)
        case "exiting":
            sys.exit(3)
        case "liar":
            tell(Succeeded())
        case "flood":
            while True:
                print("x" * 5_000, flush=True)
        case "wordless":
            run.write_done({}, {"seconds": 1.0})
        case "honest":
            tell(Failed("the loss is not a number", hint="Lower the rate."))
            sys.exit(1)
        case "chatty":
            key = os.environ.get("NLS_API_KEY", "")
            print("10%|#\r20%|##\r30%|###", file=sys.stderr, flush=True)
            print(f"the key is {key}, the token is {os.environ['HF_TOKEN']}", flush=True)
            print(
                '{"event": "log"}\n{"not": "an event"}\n\xff'.encode("latin-1").decode("latin-1"), flush=True
            )
            tell(run.write_done({}, {}))
        case "server" | "idle":
            tell(Ready(f"http://127.0.0.1:{os.getpid()}/v1", "llm"))
            (run.path / "key-seen").write_text(str(len(os.environ["NLS_API_KEY"])))
            if run_id.startswith("idle"):
                tell(Cancelled("idle for 0 s"))
            else:
                time.sleep(600)


main()
