"""The local provider keeps the contract, with the real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import worker_of

from nls_sdk.testing import ProviderContract
from nls_sdk_local import LocalProvider


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> LocalProvider:
    return LocalProvider(tmp_path_factory.mktemp("home"))


class TestLocalProvider(ProviderContract):
    @pytest.fixture
    def kill_worker(self, provider: LocalProvider) -> Callable[[str], None]:
        def kill(run_id: str) -> None:
            os.kill(worker_of(Path(provider.home) / "runs" / run_id).pid, signal.SIGKILL)

        return kill
