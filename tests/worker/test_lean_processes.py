"""A step shared by two processes is the step of one."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.multiprocessing as processes
from two_processes import adapter_after, run_process


def test_two_processes_train_as_one(tiny_model: Path, tmp_path: Path) -> None:
    processes.spawn(run_process, (tiny_model, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, adapter_after(tiny_model, 0, 1), rtol=1e-4, atol=1e-5)
