"""Train: a base model and a dataset become a LoRA adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from peft import PeftModel

from ..artifacts import Artifact
from ..dataset import Dataset
from ..events import Log, Succeeded
from ..recipe import Recipe
from ..rundir import RunDirectory, locate
from ..tasks import DryRun, Train
from .data import check_lengths, check_prompts, check_template, to_row
from .files import whole_folder
from .devices import DeviceName, choose_device, choose_dtype, describe
from .loading import fetch, load_model, load_tokenizer
from .meter import Meter, Tally
from .telling import Tell
from .trainer import AdapterTrainer, sft_config


@frozen
class Workshop:
    """A base model, loaded, and the data to train it on.

    Attributes:
        name: The base model as the task names it.
        model: The model, on its device.
        tokenizer: Its tokenizer.
        data: The examples.
        dtype: What the weights are held in.
        device: What the work runs on.
    """

    name: str
    model: Any
    tokenizer: Any
    data: Dataset
    dtype: torch.dtype
    device: torch.device


def open_workshop(directory: RunDirectory, task: Train | DryRun, tell: Tell, device: DeviceName) -> Workshop:
    """Read the data and load the model that a task names.

    Raises:
        NlsError: The data, the model or the machine will not do; each says why.
    """
    chosen = choose_device(device)
    dtype = choose_dtype(task.recipe.dtype, chosen)
    data = Dataset.from_jsonl(locate(directory.home, task.data))
    name = task.base if isinstance(task.base, str) else task.recipe.base_model
    tell(Log(f"loading {name} in {str(dtype).removeprefix('torch.')} on {describe(chosen)}"))
    folder = fetch(directory.resolve(task.base))
    tokenizer = load_tokenizer(folder)
    check_template(tokenizer, name)
    return Workshop(name, load_model(folder, dtype, chosen), tokenizer, data, dtype, chosen)


def open_trainer(
    shop: Workshop, data: Dataset, recipe: Recipe, checkpoints: Path, meter: Meter
) -> AdapterTrainer:
    """The trainer, with its tokenized data checked.

    Raises:
        DataError: A row is too long, or would be trained on another prompt than the served one.
    """
    config = sft_config(recipe, checkpoints / ".staging", shop.dtype, shop.device)
    rows = [to_row(example) for example in data]
    trainer = AdapterTrainer(shop.model, shop.tokenizer, rows, config, recipe, checkpoints, meter)
    tokens, labels = trainer.train_dataset["input_ids"], trainer.train_dataset["labels"]
    check_lengths(data, tokens, min(recipe.max_length, shop.model.config.max_position_embeddings))
    check_prompts(data, shop.tokenizer, tokens, labels)
    return trainer


def train(directory: RunDirectory, task: Train, tell: Tell, device: DeviceName = "auto") -> Succeeded:
    """Train an adapter, or go on where an earlier attempt was killed.

    Raises:
        NlsError: It cannot be trained; the message says why.
    """
    shop = open_workshop(directory, task, tell, device)
    meter = Meter(tell, task.recipe.logging_steps)
    trainer = open_trainer(shop, shop.data, task.recipe, directory.checkpoints, meter)
    trainer.resume()
    save_adapter(trainer.model, directory.path / "adapter", base=shop.name)
    outputs: dict[str, Artifact] = {"adapter": directory.output("adapter")}
    return directory.write_done(outputs, training_metrics(meter.tally, trainer.state.global_step))


def training_metrics(tally: Tally, steps: int) -> dict[str, float]:
    """What a training measured.

    Returns:
        `train_loss`, the mean over all steps, and `final_loss`, the last step's, in nats per answer token;
        `seconds`; `examples` and `tokens` trained on, each as often as it was seen; `steps`.
    """
    return {
        "train_loss": tally.loss / max(steps, 1),
        "final_loss": tally.last_loss,
        "seconds": tally.seconds,
        "examples": tally.examples,
        "tokens": tally.tokens,
        "steps": steps,
    }


def save_adapter(model: PeftModel, target: Path, *, base: str) -> None:
    """Write the adapter in PEFT's format; `base` is what it names as its base model."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    with whole_folder(target) as folder:
        # No layer of the base was resized; without saying so PEFT would look the base up on the hub.
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
