"""The Modal provider keeps the contract, with Modal's client and container runtime.

The worker is the quick one, as `test_whole_job.py` has the real one; NLS_REAL_WORKER=1 has it here too.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback.client import Loopback
from places import QUICK_WORKER, kill_worker, make_provider

from nls_sdk.tasks import Serve
from nls_sdk.testing import ProviderContract, make_random_model
from nls_sdk_modal import ModalProvider

IS_REAL = bool(os.environ.get("NLS_REAL_WORKER"))
SUBMIT_AND_DIE = """
import os, pickle, signal, sys
for provider, task in pickle.load(sys.stdin.buffer):
    provider.submit(task)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def provider(loopback: Loopback) -> Iterator[ModalProvider]:
    loopback.settings(overlay="" if IS_REAL else str(QUICK_WORKER))
    yield make_provider(retries=0, lease=3.0)
    loopback.settings(overlay="")


class TestModalProvider(ProviderContract):
    @pytest.fixture
    def model_folder(self, tmp_path: Path) -> Path:
        if IS_REAL:
            return make_random_model(tmp_path / "random-model")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights").write_text("random")
        return tmp_path / "model"

    @pytest.fixture
    def kill_worker(self, provider: ModalProvider) -> Callable[[str], None]:
        return kill_worker

    @pytest.fixture
    def submit_and_die(self, provider: ModalProvider) -> Callable[..., None]:
        """An app has one endpoint at a time, so each is submitted to an app of its own."""

        def submit(*tasks: Serve) -> None:
            app, volume = provider.options.serve_app, provider.options.volume
            pairs = [
                (make_provider(serve_app=f"{app}-{task.name}", volume=volume, lease=3.0), task)
                for task in tasks
            ]
            done = subprocess.run(
                [sys.executable, "-c", SUBMIT_AND_DIE], input=pickle.dumps(pairs), capture_output=True
            )
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()

        return submit
