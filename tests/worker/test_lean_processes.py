"""A step shared by two processes is the step of one."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import start_processes
from two_processes import adapter_after, run_process
from worker_home import Home, finish, preloaded, read_until

from nls_sdk import Recipe
from nls_sdk.events import Failed, Progress, Succeeded
from nls_sdk.providers import ENDED
from nls_sdk.tasks import Train
from nls_sdk.worker.training import train
from nls_sdk_local import LocalProvider

RECIPE = Recipe(
    dtype="float32", epochs=2.0, learning_rate=5e-3, max_grad_norm=0.3, checkpoint_steps=2, logging_steps=2
)

UNEVEN = {"per_device_batch_size": 1, "gradient_accumulation_steps": 19}
"""Of twenty examples the last step of an epoch has one, and one of two processes none."""


def test_two_processes_train_as_one(tiny_model: Path, tmp_path: Path) -> None:
    preloaded()
    start_processes(run_process, (tiny_model, tmp_path), nprocs=2, start_method="forkserver")
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, adapter_after(tiny_model, 0, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("dropout", [0.0, 1e-9], ids=["lean", "trl"])
def test_a_provider_shares_a_training_among_processes(home: Home, dropout: float) -> None:
    """With dropout TRL's own step trains, whose last step of an epoch repeats examples."""
    recipe = attrs.evolve(RECIPE, **({"lora_dropout": dropout, "max_steps": 2} if dropout else UNEVEN))
    task = Train(name="by-one", base=home.base, data=home.data, recipe=recipe)
    one = train(home.write(task), task, print, "cpu")
    provider = LocalProvider(home.path, gpu=False, processes=2)
    run_id, deadline = provider.submit(attrs.evolve(task, name="by-two")), time.monotonic() + 240
    while (record := provider.runs()[-1]).state not in ENDED and time.monotonic() < deadline:
        time.sleep(0.2)
    two = record.end
    assert isinstance(two, Succeeded), provider.events(run_id)
    for name in ("steps", "examples", "tokens"):
        assert one.metrics[name] == two.metrics[name], name
    for name in ("train_loss", "final_loss"):
        assert two.metrics[name] == pytest.approx(one.metrics[name], rel=1e-4), name
    ones, twos = (
        load_file(home.path / end.outputs["adapter"].path / "adapter_model.safetensors") for end in (one, two)
    )
    for name, weights in ones.items():
        torch.testing.assert_close(twos[name], weights, rtol=1e-3, atol=1e-4)


def test_a_process_that_dies_fails_the_training_which_resumes(home: Home) -> None:
    task = Train(name="dying", base=home.base, data=home.data, recipe=attrs.evolve(RECIPE, epochs=200.0))
    process = home.start(task, "--processes", "2")
    for _ in read_until(process, lambda event: isinstance(event, Progress) and event.step >= 4):
        pass
    (other,) = psutil.Process(process.pid).children()
    other.kill()
    events, _, code = finish(process)
    assert code == 1
    assert isinstance(events[-1], Failed)
    assert "processes that share the training died" in events[-1].message
    again = home.start(task, "--processes", "2")
    (first,) = (
        event
        for event in read_until(again, lambda event: isinstance(event, Progress))
        if isinstance(event, Progress)
    )
    assert first.step > 2
    children = psutil.Process(again.pid).children()
    again.kill()
    again.communicate()
    assert not psutil.wait_procs(children, timeout=10)[1], "the others end with the first"
