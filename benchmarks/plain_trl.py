"""TRL as it comes, told the recipe in its own terms: what the worker's trainer is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as TrainingRows
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from nls_sdk import Recipe
from nls_sdk.worker.sampling import StepSampler
from nls_sdk.worker.trainer import lora_config
from nls_sdk.worker.training import Workshop


class PlainTrl(SFTTrainer):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """TRL's trainer, but for the examples' order."""

    order: StepSampler

    def _get_train_sampler(self, dataset: Any = None) -> StepSampler:
        return self.order


class _Losses(TrainerCallback):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Keep a step's loss."""
        if "loss" in logs:
            self.values.append(logs["loss"])


def plain_config(
    recipe: Recipe, folder: Path, dtype: torch.dtype, device: torch.device, **more: Any
) -> SFTConfig:
    """The recipe in TRL's terms, and what else TRL is told."""
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=recipe.per_device_batch_size,
        gradient_accumulation_steps=recipe.gradient_accumulation_steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.lr_scheduler,
        warmup_steps=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        seed=recipe.seed,
        bf16=dtype == torch.bfloat16,
        use_cpu=device.type == "cpu",
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        gradient_checkpointing=False,
        max_length=None,
        **more,
    )


def train_plainly(
    shop: Workshop, recipe: Recipe, folder: Path, *, longest_first: bool = False
) -> list[float]:
    """Train an adapter on the workshop's model.

    Args:
        shop: The model and the examples.
        recipe: Every hyperparameter.
        folder: Where the trainer may write.
        longest_first: Take a step's examples in the reverse order, which changes rounding and nothing else.

    Returns:
        The loss of each step.
    """
    losses = _Losses()
    trainer = PlainTrl(
        model=shop.model,
        args=plain_config(recipe, folder, shop.dtype, shop.device, logging_steps=1),
        train_dataset=TrainingRows.from_list([row.features() for row in shop.rows]),
        processing_class=shop.tokenizer,
        peft_config=lora_config(recipe),
        callbacks=[losses],
    )
    lengths = [len(row.tokens) * (-1 if longest_first else 1) for row in shop.rows]
    trainer.order = StepSampler(lengths, step_size=recipe.effective_batch_size, seed=recipe.seed)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return losses.values
