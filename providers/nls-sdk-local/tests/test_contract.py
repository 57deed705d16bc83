"""The local provider keeps the contract.

The worker is the quick one: the whole job, README.md and the examples have the real one at this provider.
`make slow` has it here too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import worker_of

from nls_sdk.testing import ProviderContract, make_random_model
from nls_sdk_local import LocalProvider

IS_REAL = bool(os.environ.get("NLS_REAL_WORKER"))
QUICK_WORKER = Path(__file__).parents[3] / "tests" / "quick_worker" / "nls_sdk" / "worker" / "__main__.py"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> LocalProvider:
    worker = None if IS_REAL else [sys.executable, str(QUICK_WORKER)]
    return LocalProvider(tmp_path_factory.mktemp("home"), worker=worker)


class TestLocalProvider(ProviderContract):
    @pytest.fixture
    def model_folder(self, tmp_path: Path) -> Path:
        folder = make_random_model(tmp_path / "random-model")
        (folder / "weights").write_text("what the quick worker serves")
        return folder

    @pytest.fixture
    def kill_worker(self, provider: LocalProvider) -> Callable[[str], None]:
        def kill(run_id: str) -> None:
            os.kill(worker_of(Path(provider.home) / "runs" / run_id).pid, signal.SIGKILL)

        return kill
