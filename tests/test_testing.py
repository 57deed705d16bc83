"""The suites for plugin authors, passed by the fake provider and by a baseline of three lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from stub_server import StubServer

from nls_sdk.providers import API_VERSION
from nls_sdk.testing import BaselineContract, FakeProvider, ProviderContract


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with StubServer("lang:go", key="fake-api-key") as server:
        yield FakeProvider(url=server.url)


class TestFakeProvider(ProviderContract):
    @pytest.fixture
    def kill_worker(self, provider: FakeProvider) -> Callable[[str], None]:
        return provider.kill


class ThreeLines:
    api_version = API_VERSION
    name = "three lines"

    def translate(self, question: str) -> str:
        return "lang:go"


class TestThreeLines(BaselineContract):
    @pytest.fixture
    def baseline(self) -> ThreeLines:
        return ThreeLines()
