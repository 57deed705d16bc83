"""Load for an endpoint, from several processes so that the client is not what is measured.

Closed loops (so many clients, each asking again once it is answered) and open ones (requests come by chance
at a given rate, whoever has been answered).
"""

from __future__ import annotations

import multiprocessing as mp
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from attrs import evolve, frozen

from nls_sdk import Endpoint, NlsError, Translation
from nls_sdk.safe_decoding import Decoding

_PROCESSES = 8


@frozen
class Answers:
    """What a load brought.

    Attributes:
        milliseconds: Latency of each answer, from when it was due.
        server_milliseconds: The server's own part, where it was told.
        tokens: Tokens of each answer.
        texts: The answers by question.
        failures: Requests without an answer.
        seconds: How long it took.
    """

    milliseconds: list[float]
    server_milliseconds: list[float]
    tokens: list[int]
    texts: dict[str, str]
    failures: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def at(self, share: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    def of_length(self, least: int, most: int) -> Answers:
        """Only the answers of so many tokens."""
        chosen = [
            ms for ms, tokens in zip(self.milliseconds, self.tokens, strict=True) if least <= tokens <= most
        ]
        return evolve(self, milliseconds=chosen)

    def row(self) -> dict[str, float]:
        """The figures of a table; those "of 20" are of answers of 18 to 22 tokens."""
        tokens = sum(self.tokens) / max(1, len(self.tokens))
        server = sorted(self.server_milliseconds)
        row = {"p50": self.at(0.5), "p95": self.at(0.95), "p99": self.at(0.99), "rps": self.rate}
        usual = self.of_length(18, 22)
        row |= {"p50 of 20": usual.at(0.5), "p95 of 20": usual.at(0.95)}
        row |= {"server_p50": server[len(server) // 2] if server else float("nan")}
        return {
            **{k: round(v, 1) for k, v in row.items()},
            "n": len(self.milliseconds),
            "tokens": round(tokens, 1),
            "failed": self.failures,
        }


def closed(
    url: str, questions: Sequence[str], clients: int, *, decoding: Decoding = "free", model: str = "llm"
) -> Answers:
    """Ask all questions once, so many at a time."""
    parts = _split(list(questions), clients)
    return _gather([(url, model, decoding, part, threads, None) for part, threads in parts])


def open_loop(
    url: str, questions: Sequence[str], rate: float, seconds: float, *, model: str = "llm"
) -> Answers:
    """Ask at a rate (requests a second), for a time; latency counts from when a request was due."""
    chance, due, dues = random.Random(0), 0.0, []
    while (due := due + chance.expovariate(rate)) < seconds:
        dues.append(due)
    asked = [questions[i % len(questions)] for i in range(len(dues))]
    parts = [(url, model, "free", asked[i::_PROCESSES], 48, dues[i::_PROCESSES]) for i in range(_PROCESSES)]
    return _gather(parts)


def _split(questions: list[str], clients: int) -> list[tuple[list[str], int]]:
    processes = min(clients, _PROCESSES)
    return [(questions[i::processes], clients // processes) for i in range(processes)]


def _gather(parts: Sequence[tuple[Any, ...]]) -> Answers:
    context = mp.get_context("spawn")
    barrier, results = context.Barrier(len(parts)), context.Queue()
    processes = [context.Process(target=_ask_all, args=(*part, barrier, results)) for part in parts]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    rows = [row for part, _, _ in found for row in part]
    answered = [row for row in rows if row[2] is not None]
    return Answers(
        [row[1] for row in answered],
        [row[3] for row in answered if row[3] is not None],
        [row[4] or 0 for row in answered],
        {row[0]: row[2] for row in answered},
        len(rows) - len(answered),
        max(end for _, _, end in found) - min(start for _, start, _ in found),
    )


def _ask_all(
    url: str,
    model: str,
    decoding: Decoding,
    questions: list[str],
    threads: int,
    dues: list[float] | None,
    barrier: Any,
    results: Any,
) -> None:
    endpoint = Endpoint(url, model=model, decoding=decoding, max_tokens=64)
    lock, rows = threading.Lock(), []
    waiting = iter(range(len(questions)))
    # Connections are opened before the clock starts.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: _one(endpoint, questions[0]), range(threads)))
        barrier.wait()
        start = time.time()
        begun = time.perf_counter()

        def loop(_: int) -> None:
            while True:
                with lock:
                    i = next(waiting, None)
                if i is None:
                    return
                due = time.perf_counter() if dues is None else begun + dues[i]
                while (left := due - time.perf_counter()) > 0:
                    time.sleep(left)
                answer = _one(endpoint, questions[i])
                spent = 1000 * (time.perf_counter() - due)
                rows.append(_row(questions[i], spent, answer))

        list(pool.map(loop, range(threads)))
        results.put((rows, start, time.time()))


def _one(endpoint: Endpoint, question: str) -> Translation | NlsError:
    try:
        return endpoint.translate(question)
    except NlsError as error:
        return error


def _row(question: str, spent: float, answer: Translation | NlsError) -> tuple[Any, ...]:
    if isinstance(answer, NlsError):
        return question, spent, None, None, None
    server = None if answer.server_seconds is None else 1000 * answer.server_seconds
    return question, spent, str(answer), server, answer.tokens_out


def differences(one: Answers, other: Answers) -> tuple[int, int]:
    """How many of the questions that both answered have other answers, and how many both answered."""
    both = one.texts.keys() & other.texts.keys()
    return sum(one.texts[question] != other.texts[question] for question in both), len(both)


def knee(
    load: Callable[[float], Answers], rates: Sequence[float], limit: float
) -> list[tuple[float, Answers]]:
    """Loads at rising rates, until the 95th percentile is above the limit (ms) or requests fail."""
    found = []
    for rate in rates:
        answers = load(rate)
        found.append((rate, answers))
        if answers.failures or answers.at(0.95) > limit:
            break
    return found
