"""Signs of life: they go on whatever goes wrong, and say whose they are."""

from __future__ import annotations

import os
import re
import socket
import threading
from contextlib import suppress

import pytest

from nls_sdk.errors import ProviderUnavailable
from nls_sdk_modal.lease import Leases, beating, client_name

FAILURES = [
    ProviderUnavailable("Modal did not answer"),
    KeyError("what no one thought of"),
    RuntimeError("no"),
]


class Sign:
    """A sign of life that fails as it is told to; `given` counts those that did not."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.tried, self.given = 0, threading.Semaphore(0)

    def __call__(self, run_id: str = "") -> None:
        self.tried += 1
        if self._failures:
            raise self._failures.pop(0)
        self.given.release()


def leases(renew: Sign) -> Leases:
    return Leases(renew=renew, end=lambda run_id: None, seconds=0.08)


def test_a_lease_is_renewed_after_any_failure() -> None:
    renew = Sign()
    held = leases(renew)
    held.hold("quick.serve")
    assert renew.given.acquire(timeout=10)
    renew._failures = list(FAILURES)
    assert renew.given.acquire(timeout=10), "the thread is dead, and with it a server that somebody uses"
    assert renew.tried >= 2 + len(FAILURES)
    held.drop("quick.serve")


def test_a_lease_whose_first_renewal_fails_is_held_all_the_same() -> None:
    renew = Sign(FAILURES[0])
    held = leases(renew)
    with pytest.raises(ProviderUnavailable):
        held.hold("quick.serve")
    assert renew.given.acquire(timeout=10)
    held.drop("quick.serve")


def test_deploying_gives_signs_of_life_after_any_failure() -> None:
    beat = Sign(*FAILURES)
    with beating(beat, every=0.02):
        assert beat.given.acquire(timeout=10)
        assert beat.given.acquire(timeout=10)
    tried = beat.tried
    with suppress(TimeoutError):
        beat.given.acquire(timeout=0.1)
    assert beat.tried == tried, "it is over"


def test_a_client_is_called_by_its_host_and_number() -> None:
    name = client_name()
    assert f"-{os.getpid()}-" in name
    assert name.startswith(re.split("[^A-Za-z0-9-]", socket.gethostname())[0][:40])
    assert re.fullmatch(r"[A-Za-z0-9-]+", name), "it is a file's name"
    assert client_name() != name
