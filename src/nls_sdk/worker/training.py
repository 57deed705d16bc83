"""Train: a base model and a dataset become a LoRA adapter."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from attrs import frozen

from ..artifacts import Artifact
from ..dataset import Dataset
from ..events import Log, Succeeded
from ..recipe import Recipe
from ..rundir import RunDirectory, locate, write_json
from ..tasks import DryRun, Train
from .data import Row, tokenize
from .devices import DeviceName, choose_device, choose_dtype, describe, peak_memory, peak_rate
from .files import whole_folder
from .lean.trainer import LeanTrainer, why_not_lean
from .loading import context_length, fetch, load_model, load_tokenizer
from .meter import Meter
from .peers import rank, world_size
from .telling import Tell
from .trainer import AdapterTrainer, check_layers, sft_config


@frozen
class Workshop:
    """What a training needs: tokenized data and a loaded base model.

    Attributes:
        base: The base model's name.
        rows: The data, tokenized and checked.
        tokenizer: The base model's tokenizer.
        model: The base model, on its device.
        dtype: What its weights are held in.
        device: What the work runs on.
    """

    base: str
    rows: Sequence[Row]
    tokenizer: Any
    model: Any
    dtype: torch.dtype
    device: torch.device


def open_workshop(directory: RunDirectory, task: Train | DryRun, tell: Tell, device: DeviceName) -> Workshop:
    """Read and check the data, then load the model: what is wrong with the data shows early.

    Raises:
        NlsError: The data, the model or the machine will not do; each says why.
    """
    chosen = choose_device(device)
    dtype = choose_dtype(task.recipe.dtype, chosen)
    begun = time.monotonic()
    data = Dataset.from_jsonl(locate(directory.home, task.data))
    base = task.base if isinstance(task.base, str) else task.recipe.base_model
    folder = fetch(directory.resolve(task.base), tell)
    tokenizer = load_tokenizer(folder)
    rows = tokenize(data, tokenizer, limit=min(task.recipe.max_length, context_length(folder)))
    tell(Log(f"read and tokenized {len(rows)} examples in {time.monotonic() - begun:.1f} s"))
    tell(Log(f"loading {base} in {str(dtype).removeprefix('torch.')} on {describe(chosen)}"))
    begun = time.monotonic()
    model = load_model(folder, dtype, chosen)
    check_layers(model, task.recipe)
    tell(Log(f"loaded in {time.monotonic() - begun:.1f} s"))
    return Workshop(base, rows, tokenizer, model, dtype, chosen)


def open_trainer(
    shop: Workshop, rows: Sequence[Row], recipe: Recipe, checkpoints: Path, meter: Meter
) -> AdapterTrainer:
    """The trainer of a new adapter on the model, which is changed in place."""
    if (peak := peak_rate(shop.device)) is not None:
        # Forward, and back through frozen weights, which get no gradient: two products each way.
        meter.work = (4.0 * shop.model.num_parameters(), peak * world_size())
    reason = why_not_lean(shop.model, recipe)
    if reason is not None:
        meter.tell(Log(f"TRL's own step trains, and not the lean one: {reason}"))
    kind = AdapterTrainer if reason else LeanTrainer
    config = sft_config(
        recipe,
        checkpoints / ".staging",
        shop.dtype,
        shop.device,
        whole_steps=reason is None,
        processes=world_size(),
    )
    return kind(shop.model, shop.tokenizer, rows, recipe, config, checkpoints, meter)


def train(directory: RunDirectory, task: Train, tell: Tell, device: DeviceName = "auto") -> Succeeded:
    """Train an adapter, or go on where an earlier attempt was killed.

    Of several processes that share it, each does this, and the first one saves and answers.

    Raises:
        NlsError: It cannot be trained; the message says why.
    """
    shop = open_workshop(directory, task, tell, device)
    meter = Meter(tell, task.recipe.logging_steps)
    trainer = open_trainer(shop, shop.rows, task.recipe, directory.checkpoints, meter)
    if (step := trainer.resume_from()) is not None:
        tell(Log(f"resuming from the checkpoint of step {step}"))
    trainer.run()
    if rank():
        return Succeeded()
    save_adapter(trainer.model, directory.path / "adapter", base=shop.base)
    outputs: dict[str, Artifact] = {"adapter": directory.output("adapter")}
    return directory.write_done(outputs, training_metrics(meter, trainer.state.global_step))


def training_metrics(meter: Meter, steps: int) -> dict[str, float]:
    """What a training measured.

    Returns:
        `train_loss`, the mean over all steps, and `final_loss`, the last step's, in nats per answer token;
        `seconds`; `examples` and `tokens` trained on, each as often as it was seen, and how many per second;
        `steps`; `mfu` where the GPU's peak is known; `predicted_gpu_bytes` where they were predicted;
        `peak_memory`.
    """
    tally = meter.tally
    pace = tally.tokens / tally.seconds if tally.seconds else 0.0
    metrics = {
        "train_loss": tally.loss / max(steps, 1),
        "final_loss": tally.last_loss,
        "seconds": tally.seconds,
        "examples": tally.examples,
        "tokens": tally.tokens,
        "tokens_per_second": pace,
        "examples_per_second": tally.examples / tally.seconds if tally.seconds else 0.0,
        "steps": steps,
        **peak_memory(),
    }
    if (mfu := meter.utilization(pace)) is not None:
        metrics["mfu"] = mfu
    if meter.predicted:
        metrics["predicted_gpu_bytes"] = meter.predicted
    return metrics


def save_adapter(model: Any, target: Path, *, base: str) -> None:
    """Write a PEFT model's adapter in PEFT's format; `base` is what it names as its base model."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    with whole_folder(target) as folder:
        # No layer of the base was resized; without saying so PEFT would look the base up on the hub.
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        _sort_layers(folder / "adapter_config.json")


def _sort_layers(file: Path) -> None:
    """Name the adapted layers in order: PEFT holds a set, and equal adapters must be equal files."""
    values = json.loads(file.read_text("utf-8"))
    if isinstance(values["target_modules"], list):
        values["target_modules"].sort()
    write_json(file, values)
