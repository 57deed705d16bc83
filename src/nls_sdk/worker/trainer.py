"""TRL's trainer for a LoRA adapter, made to survive a kill at any moment."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import trl.trainer.utils
from datasets import Dataset as TrainingRows
from peft import LoraConfig
from transformers import PrinterCallback
from transformers.pytorch_utils import Conv1D
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from ..errors import RecipeError, RunFailed
from ..recipe import Recipe
from .data import Row
from .failures import memory_numbers, smaller_passes
from .files import publish
from .meter import Meter
from .sampling import StepSampler

_KEPT = 2
"""Checkpoints that are kept."""


def lora_config(recipe: Recipe) -> LoraConfig:
    """The recipe's adapter, in PEFT's terms."""
    return LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules="all-linear" if recipe.layers == ["all-linear"] else recipe.layers,
        task_type="CAUSAL_LM",
    )


def check_layers(model: Any, recipe: Recipe) -> None:
    """See that a base model has every layer that is to get an adapter: PEFT is content with one of them.

    Raises:
        RecipeError: It lacks one; the message names it, and the hint those that it has.
    """
    if recipe.layers == ["all-linear"]:
        return
    kinds, head = (torch.nn.Linear, torch.nn.Embedding, Conv1D), model.get_output_embeddings()
    has = [n for n, part in model.named_modules() if isinstance(part, kinds) and part is not head]
    for name in recipe.layers:
        if not any(f".{layer}".endswith(f".{name}") for layer in has):
            raise RecipeError(
                f"target_modules names {name!r}, and the base model has no such layer that an adapter fits.",
                hint=f"It has {', '.join(dict.fromkeys(layer.rpartition('.')[2] for layer in has))}.",
            )


def sft_config(
    recipe: Recipe,
    staging: Path,
    dtype: torch.dtype,
    device: torch.device,
    *,
    whole_steps: bool = False,
    processes: int = 1,
) -> SFTConfig:
    """The recipe's training, in TRL's terms.

    Args:
        recipe: Every hyperparameter.
        staging: Where checkpoints are written before they are published.
        dtype: What the weights are held in.
        device: What the training runs on.
        whole_steps: Hand over a whole optimizer step's examples at once, to each process.
        processes: How many share a step.

    Raises:
        RecipeError: They cannot share it evenly.
    """
    batch, accumulation = (
        (recipe.effective_batch_size, 1) if whole_steps else _share_of_step(recipe, processes)
    )
    return SFTConfig(
        output_dir=str(staging),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.lr_scheduler,
        warmup_steps=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        gradient_checkpointing=recipe.gradient_checkpointing,
        bf16=dtype == torch.bfloat16,
        use_cpu=device.type == "cpu",
        seed=recipe.seed,
        data_seed=recipe.seed,
        max_length=None,
        packing=False,
        # Rows come tokenized, within the limit, and each has an answer.
        dataset_kwargs={"skip_prepare_dataset": True},
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda",
        logging_nan_inf_filter=False,
    )


def _share_of_step(recipe: Recipe, processes: int) -> tuple[int, int]:
    """Examples of a forward pass, and forward passes, of each process in one optimizer step."""
    batch, accumulation = recipe.per_device_batch_size, recipe.gradient_accumulation_steps
    if accumulation % processes == 0:
        return batch, accumulation // processes
    if batch % processes == 0:
        return batch // processes, accumulation
    raise RecipeError(
        f"{processes} processes cannot share steps of {accumulation} x {batch} examples evenly.",
        hint=f"Make gradient_accumulation_steps or per_device_batch_size a multiple of {processes}.",
    )


class AdapterTrainer(SFTTrainer):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """`SFTTrainer` whose checkpoints appear whole or not at all, and which counts what it does."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        rows: Sequence[Row],
        recipe: Recipe,
        config: SFTConfig,
        checkpoints: Path,
        meter: Meter,
    ) -> None:
        super().__init__(
            model=model,
            args=config,
            train_dataset=TrainingRows.from_list([row.features() for row in rows]),
            processing_class=tokenizer,
            peft_config=lora_config(recipe),
            callbacks=[meter],
        )
        self.remove_callback(PrinterCallback)
        self._checkpoints = checkpoints
        self._staging = Path(str(config.output_dir))
        self._meter = meter
        self._rows = rows
        self._recipe = recipe
        self._sampler = StepSampler(
            [len(row.tokens) for row in rows], step_size=recipe.effective_batch_size, seed=recipe.seed
        )
        if self.args.device.type == "cpu":
            _score_answers_alone()

    def resume_from(self) -> int | None:
        """The step of the newest checkpoint, or None when there is none."""
        checkpoint = self._newest()
        return None if checkpoint is None else int(checkpoint.rpartition("-")[2])

    def run(self) -> None:
        """Train to the end, from the newest checkpoint when there is one.

        Raises:
            RunFailed: The loss is not finite, or the GPU ran out of memory.
        """
        shutil.rmtree(self._staging, ignore_errors=True)
        checkpoint = self._newest()
        if checkpoint is not None:
            self._meter.load(Path(checkpoint))
        try:
            self.train(resume_from_checkpoint=checkpoint)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(memory_numbers(str(error))) from None
        shutil.rmtree(self._staging, ignore_errors=True)

    def _out_of_memory(self, numbers: str) -> RunFailed:
        """What to tell of a full GPU, of which `numbers` has the sizes."""
        return RunFailed(f"The GPU ran out of memory{numbers}.", hint=smaller_passes(self._recipe))

    def _newest(self) -> str | None:
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        find: Any = get_last_checkpoint  # It has no types.
        newest: str | None = find(str(self._checkpoints))
        return newest

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss, counted."""
        compute: Any = super().compute_loss  # It has no types.
        loss = compute(model, inputs, return_outputs, num_items_in_batch)
        if model.training:
            counted = (loss[0] if return_outputs else loss).detach()
            # Of several processes each has its share times their number, since DDP takes a mean of gradients.
            share = counted / self.args.world_size
            self._meter.count(len(inputs["input_ids"]), int(inputs["attention_mask"].sum()), share)
        return loss

    def _get_train_sampler(self, train_dataset: Any = None) -> StepSampler:
        return self._sampler

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write no card: checkpoints are for resuming only."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.state.global_step >= self.state.max_steps:
            return
        save: Any = super()._save_checkpoint  # It has no types.
        save(model, trial)
        name = f"checkpoint-{self.state.global_step}"
        staged = self._staging / name
        self._meter.read(self.state.global_step)
        self.accelerator.wait_for_everyone()
        if not self.args.should_save:
            return
        self._meter.save(staged)
        publish(staged, self._checkpoints / name)
        rotate_checkpoints(str(self._checkpoints), save_total_limit=_KEPT)


def _score_answers_alone() -> None:
    """Make TRL project only answer tokens onto the vocabulary, as it does on a GPU.

    Elsewhere it projects the prompt too and throws the result away, to keep shapes constant for compilers.
    On a CPU that is a third of a small model's step; the loss is the same to the bit.
    """
    trl.trainer.utils.__dict__["_use_triton"] = lambda device: True
