"""A lean step that processes share; in a module of its own, for they import it anew."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import get_peft_model

from nls_sdk import Recipe
from nls_sdk.worker.data import Row
from nls_sdk.worker.lean.loader import Packer
from nls_sdk.worker.lean.means import Means
from nls_sdk.worker.lean.optimizer import StepEnd
from nls_sdk.worker.lean.step import LeanStep
from nls_sdk.worker.loading import load_model
from nls_sdk.worker.trainer import lora_config


def adapter_after(model: Path, rank: int, world: int) -> torch.Tensor:
    """The adapter after two steps, of which this process has its share."""
    torch.manual_seed(0)
    tuned = get_peft_model(load_model(model, torch.float32, torch.device("cpu")), lora_config(Recipe()))
    step = LeanStep(
        tuned.get_base_model(), Means(shared=False, joined=False, flash=False, compiled=False, graphs=False)
    )
    end = StepEnd(step.adapter, max_norm=0.1, recorded=False, lr=1e-2)
    rows = [Row(list(range(3, 3 + length)), length // 2) for length in (8, 11, 20, 30, 31)]
    packer = Packer(most_tokens=1000, most_rows=8, rank=rank, world=world)
    for _ in range(2):
        for batch in packer(rows):
            step(batch)
        end.step()
    return step.adapter.values.detach().clone()


def run_process(rank: int, model: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    torch.save(adapter_after(model, rank, 2), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()
