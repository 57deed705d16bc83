"""The OpenAI baseline keeps the contract of every baseline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stub_server import StubServer

from nls_sdk.testing import BaselineContract
from nls_sdk_openai import OpenAIBaseline


class TestOpenAIBaseline(BaselineContract):
    @pytest.fixture
    def baseline(self) -> Iterator[OpenAIBaseline]:
        with StubServer("lang:python async def\n", key="k") as server:
            yield OpenAIBaseline(base_url=server.url, api_key="k")
