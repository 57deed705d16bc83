"""Hearing a worker: what both of its pipes tell, to the last word and no longer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nls_sdk.events import Event, Log, Progress
from nls_sdk.hearing import Listener, WorkerPipes


@contextmanager
def worker(code: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        yield process


def heard_from(process: subprocess.Popen[bytes], environment: dict[str, str]) -> list[Event]:
    with WorkerPipes(process, Listener(environment)) as pipes:
        told: list[Event] = []
        while process.poll() is None:
            told += pipes.hear(0.05)
        return [*told, *pipes.rest()]


TELLS = """
import sys
print('{"event": "progress", "step": 1, "total": 2}', flush=True)
print('{"event": "progress", "step": 2, "total": 2}', file=sys.stderr, flush=True)
print("the key is sk-a-secret-key", end="")
"""


def test_standard_output_tells_events_and_all_else_is_a_log_without_secrets() -> None:
    with worker(TELLS) as process:
        told = heard_from(process, {"SOME_API_KEY": "sk-a-secret-key"})
    assert Progress(step=1, total=2) in told
    assert Log('{"event": "progress", "step": 2, "total": 2}') in told
    assert Log("the key is ***") in told, "its last line has no end"
    assert len(told) == 3


LEAVES_A_CHILD = """
import subprocess, sys
print("a word", flush=True)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"])
"""


def test_a_child_that_holds_the_pipes_is_not_waited_for() -> None:
    with worker(LEAVES_A_CHILD) as process:
        begun = time.monotonic()
        assert heard_from(process, {}) == [Log("a word")]
        assert time.monotonic() - begun < 4
        process.wait()
        # Both pipes are closed here, or the context manager would wait for the child.
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe
            pipe.close()


def test_hearing_takes_its_time_where_both_pipes_have_ended() -> None:
    with worker("import os, time; os.close(1); os.close(2); time.sleep(60)") as process:
        with WorkerPipes(process, Listener({})) as pipes:
            deadline = time.monotonic() + 30
            while pipes._pipes.get_map():
                assert pipes.hear(0.05) == []
                assert time.monotonic() < deadline
            begun = time.monotonic()
            assert pipes.hear(0.2) == []
            assert time.monotonic() - begun >= 0.2, "a loop over it would burn a core"
        process.kill()
