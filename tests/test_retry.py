"""The one retry policy: what is called again, and when."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from nls_sdk.errors import EndpointError, EndpointUnavailable
from nls_sdk.retry import LONGEST_ASKED_WAIT, can_retry, retry


def test_a_wait_that_is_asked_for_is_kept() -> None:
    asked: list[float] = []

    def call() -> str:
        asked.append(time.monotonic())
        if len(asked) == 1:
            raise EndpointUnavailable("busy", retry_after=0.7)
        return "answer"

    assert retry(call) == "answer"
    assert 0.7 <= asked[1] - asked[0] < 1.5


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    asked: list[int] = []

    def call() -> None:
        asked.append(1)
        raise EndpointUnavailable("busy", retry_after=LONGEST_ASKED_WAIT + 1)

    with pytest.raises(EndpointUnavailable, match="busy"):
        retry(call)
    assert asked == [1]


def test_what_can_be_retried() -> None:
    assert can_retry(EndpointUnavailable("busy"))
    assert not can_retry(EndpointError("refused"))
    assert not can_retry(KeyError("x"))


def test_a_program_without_logging_sees_no_line_a_retry() -> None:
    program = """
import stamina
from nls_sdk.errors import EndpointUnavailable
from nls_sdk.retry import retry

def fail():
    raise EndpointUnavailable("down")

with stamina.set_testing(True, attempts=3):
    try:
        retry(fail)
    except EndpointUnavailable:
        pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
