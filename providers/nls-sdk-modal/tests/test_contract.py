"""The Modal provider keeps the contract, with Modal's client and runtime, and the real worker."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loopback.client import Loopback
from places import kill_worker, make_provider

from nls_sdk.testing import ProviderContract
from nls_sdk_modal import ModalProvider


@pytest.fixture(scope="module")
def provider(loopback: Loopback) -> ModalProvider:
    return make_provider(retries=0)


class TestModalProvider(ProviderContract):
    @pytest.fixture
    def kill_worker(self, provider: ModalProvider) -> Callable[[str], None]:
        return kill_worker
