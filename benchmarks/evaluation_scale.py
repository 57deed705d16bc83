"""What the evaluator costs beside the server, and whether it loses or asks anything twice.

    python benchmarks/evaluation_scale.py overhead [--questions 10000] [--service-ms 100]
    python benchmarks/evaluation_scale.py kills [--questions 10000] [--kills 20] [--signal TERM|KILL]
    python benchmarks/evaluation_scale.py faults [--questions 10000]
    python benchmarks/evaluation_scale.py million [--questions 1000000]

The server is `stub_endpoint.py` in a process of its own; its capacity is what a bare asyncio client that
checks nothing gets out of it over as many connections. `kills` sends a signal at random moments, resumes,
and compares with an undisturbed run; the server counts what it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nls_sdk import Dataset, Endpoint, Evaluator, Example
from nls_sdk.evaluation.evaluator import WARMUP_QUESTION
from nls_sdk.evaluation.journal import read_journal
from nls_sdk.evaluation.streaming import stream

HERE = Path(__file__).parent
CONNECTIONS = 64


@contextmanager
def stub(*options: str) -> Iterator[str]:
    """A stub server; its base URL."""
    command = [sys.executable, str(HERE / "stub_endpoint.py"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.terminate()
        process.wait()


def questions(total: int) -> list[str]:
    """So many different questions."""
    return [f"question {i}" for i in range(total)]


def data_of(total: int) -> Dataset:
    """A dataset of them, of which the stub's answer is right."""
    return Dataset.from_pairs([(question, f"lang:go {question}") for question in questions(total)])


async def bare(url: str, total: int) -> float:
    """Requests a second of a client that does nothing but send and read."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    left = iter(questions(total))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for question in left:
            messages = [{"role": "user", "content": question}]
            body = json.dumps({"model": "llm", "messages": messages, "max_tokens": 128}).encode()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return total / (time.perf_counter() - start)


def overhead(wanted: argparse.Namespace) -> None:
    """Print the server's capacity, and the evaluator's speed against it."""
    with stub("--service-ms", str(wanted.service_ms)) as url, tempfile.TemporaryDirectory() as folder:
        capacity = asyncio.run(bare(url, wanted.questions))
        data, cpu = data_of(wanted.questions), time.process_time()
        results = Evaluator(data, concurrency=CONNECTIONS).run(Endpoint(url), journal=Path(folder, "e.jsonl"))
        cpu = time.process_time() - cpu
    assert results.elapsed_seconds is not None
    assert results.latency is not None
    speed = wanted.questions / results.elapsed_seconds
    print(
        f"{wanted.questions} questions, {CONNECTIONS} connections, an answer takes {wanted.service_ms:g} ms"
    )
    print(f"  server's capacity   {capacity:8.1f} requests/s")
    print(f"  evaluator           {speed:8.1f} requests/s: overhead {capacity / speed - 1:.1%}")
    print(f"  of CPU a question   {1000 * cpu / wanted.questions:8.2f} ms")
    print(
        f"  latency p50, p95, p99: {results.latency.p50:.1f}, {results.latency.p95:.1f}, "
        f"{results.latency.p99:.1f} ms; right {results.semantic_match.value:.0%}, "
        f"failed {len(results.failures)}"
    )


def evaluate(wanted: argparse.Namespace) -> None:
    """One evaluation, in a process that may be killed."""

    def leave(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    data = data_of(wanted.questions)
    try:
        Evaluator(data, concurrency=CONNECTIONS).run(Endpoint(wanted.url), journal=wanted.journal)
    except KeyboardInterrupt:
        sys.exit(130)


def kills(wanted: argparse.Namespace) -> None:
    """Kill and resume, and print what was asked twice."""
    for name in (wanted.signal,) if wanted.signal else ("TERM", "KILL"):
        killed_and_resumed(wanted, name)


def killed_and_resumed(wanted: argparse.Namespace, name: str) -> None:
    """The same for one signal."""
    rng, number, under_way, done = random.Random(wanted.seed), getattr(signal, f"SIG{name}"), 0, 0
    with stub("--service-ms", str(wanted.service_ms)) as url, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "killed.jsonl")
        command = [sys.executable, __file__, "evaluate", "--url", url, "--journal", str(path)]
        command += ["--questions", str(wanted.questions)]
        # Once around all of it in equal parts, each kill at a random moment of its part.
        ends = sorted(rng.uniform(0, wanted.questions) for _ in range(wanted.kills))
        for end in ends:
            process = subprocess.Popen(command)
            while process.poll() is None and len(asked(url)) < end:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, wanted.service_ms / 1000))
            if process.poll() is None:
                process.send_signal(number)
                done += 1
            process.wait()
            kept = {row.question for row in read_journal(path).rows} if path.exists() else set()
            under_way += len(asked(url).keys() - kept)
        subprocess.run(command, check=True)
        killed = read_journal(path)
        twice = sum(times - 1 for times in asked(url).values())
        lines = path.read_bytes().count(b"\n") - 1
    with stub("--service-ms", str(wanted.service_ms)) as url:
        calm = Evaluator(data_of(wanted.questions), concurrency=CONNECTIONS).run(Endpoint(url))
    same = [(row.question, row.actual, row.error) for row in killed.rows] == [
        (row.question, row.actual, row.error) for row in calm.rows
    ]
    print(f"{wanted.questions} questions, {done} times SIG{name}, {CONNECTIONS} connections")
    print(f"  equal to an undisturbed run: {same}; rows {len(killed.rows)}")
    print(f"  under way when killed, their answers lost with the process: {under_way}")
    print(f"  questions asked twice: {twice}; answers kept twice: {lines - len(killed.rows)}")


def count(url: str) -> dict[str, int]:
    """How often the server was asked what."""
    with urllib.request.urlopen(url.replace("/v1", "/counts")) as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


def asked(url: str) -> dict[str, int]:
    """The same without the warm-up."""
    return {question: times for question, times in count(url).items() if question != WARMUP_QUESTION}


def faults(wanted: argparse.Namespace) -> None:
    """Print what became of each question at a server that fails in every way."""
    data = data_of(wanted.questions)
    with stub("--service-ms", "5", "--faults", "0.05", "--slots", "10000") as url:
        endpoint = Endpoint(url, timeout=1.0)
        results = Evaluator(data, concurrency=CONNECTIONS, warmup=0).run(endpoint)
        requests = sum(count(url).values())
    reasons: dict[str, int] = {}
    for row in results.failures:
        reason = (row.error or "").partition("/v1: ")[2]
        reasons[reason] = reasons.get(reason, 0) + 1
    whole = [row.question for row in results.rows] == questions(wanted.questions)
    print(f"{wanted.questions} questions; each of 7 faults in 5 % of {requests} requests")
    print(f"  a row for each question, in order: {whole}")
    print(
        f"  answered {results.answered}, all right: {results.semantic_match.count == results.answered}; "
        f"attempts up to {max(row.attempts for row in results.rows)}"
    )
    for reason, times in sorted(reasons.items(), key=lambda each: -each[1]):
        print(f"  failed: {reason} {times}")
    print(f"  attempts that rows tell: {sum(row.attempts for row in results.rows)} of {requests}")


class Instant:
    """A translator that costs nothing."""

    name = "instant"

    def translate(self, question: str) -> str:
        """Always the same."""
        return "lang:go"


def million(wanted: argparse.Namespace) -> None:
    """Print the memory of a stream as it grows."""
    examples = (Example.of(question, "lang:go") for question in _numbered(wanted.questions))
    start, right = time.perf_counter(), 0
    print(f"{wanted.questions:,} questions, streamed into a journal")
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        path = Path(folder, "rows.jsonl")
        for number, row in enumerate(stream(examples, Instant(), concurrency=2, journal=path), 1):
            right += row.right
            if number * 10 % wanted.questions == 0 or number == 1000:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                speed = number / (time.perf_counter() - start)
                print(f"  {number:>9,} rows: peak {peak:.1f} MiB, {speed:,.0f}/s")
        print(f"  right {right:,}; journal {path.stat().st_size / 1e6:.0f} MB")


def _numbered(total: int) -> Iterator[str]:
    return (f"question {i}" for i in range(total))


def main() -> None:
    """Read the arguments, and do one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = {"overhead": overhead, "kills": kills, "faults": faults, "million": million, "evaluate": evaluate}
    parser.add_argument("what", choices=what)
    parser.add_argument("--questions", type=int)
    parser.add_argument("--service-ms", type=float, default=100.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--signal", choices=["TERM", "KILL"], help="one of the two alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url")
    parser.add_argument("--journal")
    parser.add_argument("--folder", default=os.environ.get("TMPDIR"))
    wanted = parser.parse_args()
    wanted.questions = wanted.questions or (1_000_000 if wanted.what == "million" else 10_000)
    what[wanted.what](wanted)


if __name__ == "__main__":
    main()
