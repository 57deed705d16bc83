from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tiny import make_model  # noqa: E402  # after the check for torch
from worker_home import Home, make_home  # noqa: E402  # after the check for torch

from nls_sdk import Recipe  # noqa: E402  # after the check for torch
from nls_sdk.events import Event  # noqa: E402  # after the check for torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other more than they work."""
    threads, setting = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    torch.set_num_threads(threads)
    os.environ.pop("OMP_NUM_THREADS")
    if setting is not None:
        os.environ["OMP_NUM_THREADS"] = setting


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def home(tmp_path: Path, tiny_model: Path) -> Home:
    return make_home(tmp_path, tiny_model)


@pytest.fixture
def told() -> list[Event]:
    """What a task that is run in this process tells: its `append` is the teller."""
    return []


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Twenty rows in steps of eight for four epochs: twelve steps, the last of each epoch a short one."""
    return Recipe(
        dtype="float32",
        epochs=4.0,
        learning_rate=5e-3,
        lora_dropout=0.1,
        checkpoint_steps=2,
        logging_steps=1,
    )
