"""Dry run: the training's own path, shortened, to see that it would work."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

import attrs
import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ..errors import RunFailed
from ..events import Log, Succeeded
from ..rundir import RunDirectory
from ..tasks import DryRun
from .data import IGNORED, Row
from .devices import DeviceName, peak_memory
from .meter import Meter
from .telling import Tell
from .training import Workshop, open_trainer, open_workshop

STEPS = 3
CHECKPOINT_AT = 2


def dry_run(directory: RunDirectory, task: DryRun, tell: Tell, device: DeviceName = "auto") -> Succeeded:
    """Do the stage that the task asks for.

    Returns:
        `parameters` of the base model, `seconds` in all, and `peak_memory`. Stage `model`: `loss` of the
        first batch. Stage `train`: `loss_before` and `loss_after` the three steps, on the rows they trained
        on, and `predicted_gpu_bytes` where a GPU was used.

    Raises:
        NlsError: The training would not work; the message says why.
    """
    started = time.monotonic()
    shop = open_workshop(directory, task, tell, device)
    metrics: dict[str, float] = {"parameters": shop.model.num_parameters()}
    if task.stage == "model":
        batch = task.recipe.per_device_batch_size
        metrics["loss"] = mean_loss(shop, shop.rows[:batch], batch_size=batch)
    else:
        metrics |= _train(directory, task, shop, tell)
    return directory.write_done({}, metrics | {"seconds": time.monotonic() - started} | peak_memory())


def _train(directory: RunDirectory, task: DryRun, shop: Workshop, tell: Tell) -> dict[str, float]:
    """Three steps on the longest rows, which need the most memory.

    The loss is measured on those same rows before and after: each step's own is of another batch, and would
    fall or rise with it.
    """
    recipe = attrs.evolve(
        task.recipe, max_steps=STEPS, checkpoint_steps=CHECKPOINT_AT, logging_steps=1, warmup_ratio=0.0
    )
    rows = sorted(shop.rows, key=lambda row: -len(row.tokens))[: STEPS * recipe.effective_batch_size]
    shutil.rmtree(directory.checkpoints, ignore_errors=True)
    meter = Meter(tell, recipe.logging_steps)
    trainer = open_trainer(shop, rows, recipe, directory.checkpoints, meter)
    before = mean_loss(shop, rows, batch_size=recipe.per_device_batch_size)
    trainer.run()
    after = mean_loss(shop, rows, batch_size=recipe.per_device_batch_size)
    tell(Log(f"loss on the same {len(rows)} rows: {before:.4f} before, {after:.4f} after {STEPS} steps"))
    if trainer.resume_from() != CHECKPOINT_AT:
        raise RunFailed(f"No checkpoint was saved at step {CHECKPOINT_AT}: {directory.checkpoints} has none.")
    if not after < before:
        raise RunFailed(
            f"The loss did not fall in {STEPS} steps: on the same rows it was {before:.4f} before and "
            f"{after:.4f} after.",
            hint=f"learning_rate = {recipe.learning_rate:g} is too high or too low for this model.",
        )
    losses = {"loss_before": before, "loss_after": after}
    return {**losses, "predicted_gpu_bytes": meter.predicted} if meter.predicted else losses


@torch.no_grad()
def mean_loss(shop: Workshop, rows: Sequence[Row], *, batch_size: int) -> float:
    """Mean loss of the workshop's model on rows, without dropout, in nats per answer token."""
    collate = DataCollatorForLanguageModeling(pad_token_id=shop.tokenizer.pad_token_id or 0)
    shop.model.eval()
    total, count = 0.0, 0
    for start in range(0, len(rows), batch_size):
        features = [row.features() for row in rows[start : start + batch_size]]
        batch = {name: tensor.to(shop.device) for name, tensor in collate(features).items()}
        answers = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += float(shop.model(**batch).loss) * answers
        count += answers
    return total / count
