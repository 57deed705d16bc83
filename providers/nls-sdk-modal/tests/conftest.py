"""One loopback Modal for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback.client import Loopback, running, signed_in
from places import QUICK_WORKER, make_provider

from nls_sdk_modal import ModalProvider


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with running(tmp_path_factory.mktemp("loopback")) as modal, signed_in(modal):
        modal.secret("huggingface-secret", HF_TOKEN="hf_loopback")
        yield modal


@pytest.fixture
def quick_worker(loopback: Loopback) -> Iterator[None]:
    """Containers have the worker without torch; what a test sets otherwise is undone."""
    loopback.settings(overlay=str(QUICK_WORKER))
    yield
    loopback.faults()
    loopback.settings(overlay="", clock_skew=0.0, cold_seconds=0.0)


@pytest.fixture
def provider(loopback: Loopback) -> ModalProvider:
    return make_provider()
