"""What serving costs: ``python benchmarks/serve_latency.py MODEL [--variants 'stock;ours'] [--knee]``.

Starts vLLM itself for each variant on one GPU, first with no cache and then with what that left, and asks
questions of the synthetic generator from 1, 8 and 64 clients (`nls_sdk.Endpoint` in several processes). One
table, last; before it, on demand, open loops at rising rates up to the knee, and how many greedy answers
differ from the first variant's. MODEL is a folder; ``benchmarks/serve_model.py`` makes one that answers. All
variants but ``stock`` share one folder of caches, so that only the first of them starts cold.

``stock`` is vLLM as it comes, with the name and the length limit set; ``ours`` is `ServeConfig()`; any other
is ``ours`` with changes, as in ``speculation=off,precision=fp8`` (variants are separated by ``;``).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import field, frozen
from serve_load import Answers, closed, differences, knee, open_loop

from nls_sdk import Endpoint, ServeConfig
from nls_sdk.settings import override_serving
from nls_sdk.synthetic import generate
from nls_sdk.worker.start_times import StartTimes
from nls_sdk.worker.vllm_command import command, environment, executable

_LOADS = ((1, 200), (8, 600), (64, 3000))
_RATES = (200, 400, 600, 800, 900, 1000, 1100, 1200, 1400, 1600)


@frozen
class Variant:
    """A way to serve.

    Attributes:
        name: What the table calls it.
        config: How; None is vLLM as it comes.
        length: Tokens of prompt and answer together.
        memory: Share of the GPU.
        more: Environment variables besides.
    """

    name: str
    config: ServeConfig | None
    length: int = 1024
    memory: float = 0.9
    more: dict[str, str] = field(factory=dict)

    def command(self, model: Path, port: int) -> list[str]:
        """The server's command line."""
        if self.config is not None:
            return command(model, self.config, port, "127.0.0.1")
        stock = [
            executable() or "vllm",
            "serve",
            str(model),
            "--served-model-name",
            "llm",
            "--port",
            str(port),
        ]
        return [*stock, "--max-model-len", str(self.length), "--gpu-memory-utilization", str(self.memory)]

    def environment(self, caches: Path) -> dict[str, str]:
        """The server's environment; stock vLLM keeps its caches there too, and nothing else is changed."""
        kept = environment(self.config or ServeConfig(), caches, {})
        if self.config is None:
            kept = {name: value for name, value in kept.items() if value.startswith(str(caches))}
        return {**os.environ, **kept, **self.more}


def variant(text: str, length: int = 1024, memory: float = 0.9) -> Variant:
    """Read a variant's name."""
    if text == "stock":
        return Variant(text, None, length, memory)
    ours = ServeConfig(max_length=length, gpu_memory=memory)
    config = ours if text == "ours" else override_serving(ours, text.split(","))
    return Variant(text, config, length, memory)


@frozen
class Server:
    """A server that is up.

    Attributes:
        url: Base URL of its API.
        seconds: From its start to its first answer.
        told: Where they went.
        log: What it wrote.
    """

    url: str
    seconds: float
    told: str
    log: Path


@contextmanager
def serving(variant: Variant, model: Path, caches: Path, log: Path) -> Iterator[Server]:
    """Start a server, have it answer one question, and stop it with all its processes in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    times, started = StartTimes(), time.perf_counter()
    process = subprocess.Popen(
        variant.command(model, port),
        env=variant.environment(caches),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    threading.Thread(target=_keep, args=(process, log, times), daemon=True).start()
    try:
        _await(process, f"http://127.0.0.1:{port}/health", log)
        url = f"http://127.0.0.1:{port}/v1"
        Endpoint(url, decoding="free", timeout=300).translate("python files with async functions")
        seconds = time.perf_counter() - started
        yield Server(url, seconds, times.told().partition("; ")[2], log)
    finally:
        _end(process)


def _keep(process: subprocess.Popen[str], log: Path, times: StartTimes) -> None:
    assert process.stdout is not None
    with log.open("w", buffering=1) as out:
        for line in process.stdout:
            out.write(line)
            times.hear(line)


def _await(process: subprocess.Popen[str], url: str, log: Path) -> None:
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"{log}: the server ended:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)


def _end(process: subprocess.Popen[str]) -> None:
    for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def questions(count: int) -> list[str]:
    """Different questions of the synthetic generator, none of its training half."""
    rows = generate(train=1, val=count)[1]
    return [row["messages"][1]["content"] for row in rows]


def measure(server: Server, asked: list[str], loads: tuple[tuple[int, int], ...] = _LOADS) -> dict[str, Any]:
    """Closed loops, warm."""
    closed(server.url, asked[:64], 8)
    found = {}
    for clients, count in loads:
        many = [asked[i % len(asked)] for i in range(count)]
        found[f"{clients} clients"] = closed(server.url, many, clients).row()
    return found


def tell(row: dict[str, Any]) -> None:
    """One line of JSON, at once."""
    print(json.dumps(row, ensure_ascii=False), flush=True)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown; latencies are p50 / p95 in ms, at the client."""
    loads_of = [f"{clients} client{'s' * (clients > 1)}" for clients, _ in _LOADS]
    head = ["server", "cold s", "warm s", "1 client, 20 tokens", *loads_of, "requests/s at 64"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        loads = [row[f"{clients} clients"] for clients, _ in _LOADS]
        cells = [row["variant"], row["cold"], row["warm"]]
        cells.append(f"{loads[0]['p50 of 20']} / {loads[0]['p95 of 20']}")
        cells += [f"{load['p50']} / {load['p95']}" for load in loads] + [loads[-1]["rps"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints a line for each measurement, and the table last."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--variants", default="stock;ours")
    parser.add_argument("--knee", action="store_true", help="open loops at rising rates, for each variant")
    parser.add_argument("--limit", type=float, default=100.0, help="ms that p95 may reach before the knee")
    parser.add_argument("--same", type=int, default=0, help="questions to compare the greedy answers on")
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--gpu-memory", type=float, default=0.9)
    parser.add_argument("--once", action="store_true", help="measure at the first start, caches warm or not")
    parser.add_argument("--logs", type=Path, default=Path(tempfile.mkdtemp(prefix="serve-")))
    parser.add_argument(
        "--caches", type=Path, help="where compiled code is kept (with the logs unless given)"
    )
    options = parser.parse_args()
    options.logs.mkdir(parents=True, exist_ok=True)
    asked = questions(2000)
    rows: list[dict[str, Any]] = []
    first: Answers | None = None
    for number, text in enumerate(options.variants.split(";")):
        chosen = variant(text, options.max_length, options.gpu_memory)
        caches = (options.caches or options.logs) / ("stock" if chosen.config is None else "ours")
        row: dict[str, Any] = {"variant": text, "cold": "-", "warm": "-"}
        starts = ["warm"] if caches.exists() else ["cold"] if options.once else ["cold", "warm"]
        for start in starts:
            with serving(chosen, options.model, caches, options.logs / f"{number}-{start}.log") as server:
                row |= {start: round(server.seconds, 1), f"{start} start": server.told}
                if start != starts[-1]:
                    continue
                row |= measure(server, asked)
                if options.same:
                    answers = closed(server.url, asked[: options.same], 64)
                    alone = closed(server.url, asked[: min(500, options.same)], 1)
                    first = first or answers
                    row["differ from 1 client at 64"] = differences(alone, answers)
                    row["differ from the first variant"] = differences(first, answers)
                tell(row)
                if options.knee:
                    loads = knee(lambda rate: open_loop(server.url, asked, rate, 3.0), _RATES, options.limit)
                    for rate, load in loads:
                        tell({"variant": text, "offered": rate, **load.row()})
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()
