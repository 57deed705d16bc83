"""A folder of its own for each test, with data, a fake provider, and `main` called in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.calling import Call, Outcome, right, wrong
from stub_server import StubServer

from nls_sdk import Dataset
from nls_sdk.cli import main
from nls_sdk.settings import VARIABLES
from nls_sdk.testing import FakeProvider

PAIRS = [(f"find {word} in go files", f"lang:go {word}") for word in ("foo", "bar", "baz", "qux", "quux")]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    for variable in VARIABLES:
        os.environ.pop(variable.name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def data() -> Path:
    """Three examples to train on and two to evaluate on, at the usual paths."""
    folder = Path("data/datasets/processed")
    Dataset.from_pairs(PAIRS[:3]).write(folder / "train.jsonl")
    Dataset.from_pairs(PAIRS[3:]).write(folder / "val.jsonl")
    return folder


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def call(fake: FakeProvider, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command at the fake provider."""

    def run(*argv: str, provider: FakeProvider | None = None) -> Outcome:
        code = main(argv, provider=provider or fake)
        told = capsys.readouterr()
        return Outcome(code, told.out, told.err)

    return run


@pytest.fixture
def good() -> Iterator[StubServer]:
    with StubServer(right) as server:
        yield server


@pytest.fixture
def bad() -> Iterator[StubServer]:
    with StubServer(wrong) as server:
        yield server
