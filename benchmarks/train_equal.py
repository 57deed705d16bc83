"""Whether the worker's own step learns what plain TRL learns, beside how far two plain runs are apart.

    python benchmarks/train_equal.py MODEL_FOLDER [--steps 200] [--dtype bfloat16] [--device auto]

Trains the model on generated questions with plain TRL, with plain TRL on other attention kernels, and with
the worker's trainer: the same seed, order and recipe. Prints how far the losses are apart at each logged
step, the validation losses, and on how many tokens of the validation answers the adapters agree. Exits with
1 when the worker's losses are further from plain TRL's than twice what the two plain runs are apart.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from attrs import frozen
from datasets import Dataset as TrainingRows
from transformers import AutoModelForCausalLM, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from nls_sdk import Dataset, Recipe
from nls_sdk.events import Event, Log, Progress
from nls_sdk.synthetic import write
from nls_sdk.worker.data import Row, tokenize
from nls_sdk.worker.devices import choose_device
from nls_sdk.worker.dry_run import mean_loss
from nls_sdk.worker.loading import load_tokenizer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.sampling import StepSampler
from nls_sdk.worker.trainer import lora_config
from nls_sdk.worker.training import Workshop, open_trainer

ROOM = 2.0
"""How many times the distance of two plain runs is allowed; in float32 on a CPU 1e-3 is, whatever theirs."""


@frozen
class Trained:
    """What a training came to.

    Attributes:
        name: How it was trained.
        losses: Of each step.
        validation: Loss on the validation rows.
        answers: The likeliest token at each place of the validation answers.
    """

    name: str
    losses: Sequence[float]
    validation: float
    answers: torch.Tensor


class PlainTrl(SFTTrainer):  # type: ignore[misc, unused-ignore]
    """TRL as it comes, but for the examples' order."""

    order: StepSampler

    def _get_train_sampler(self, dataset: Any = None) -> StepSampler:
        return self.order


class Losses(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Keep a step's loss."""
        if "loss" in logs:
            self.values.append(logs["loss"])


class Comparison:
    """One model, one recipe, one set of rows."""

    def __init__(self, model: Path, recipe: Recipe, device: torch.device, folder: Path) -> None:
        self._model, self._recipe, self._device, self._folder = model, recipe, device, folder
        self._dtype = cast(torch.dtype, getattr(torch, recipe.dtype))
        self._tokenizer = load_tokenizer(model)
        train, val = write(folder, train=6000, val=200)
        self._rows = tokenize(Dataset.from_jsonl(train), self._tokenizer, limit=recipe.max_length)
        self._val = tokenize(Dataset.from_jsonl(val), self._tokenizer, limit=recipe.max_length)

    def plain(self, name: str, attention: str) -> Trained:
        """Train with plain TRL."""
        recipe, losses = self._recipe, Losses()
        shop = self._shop(attention)
        trainer = PlainTrl(
            model=shop.model,
            args=SFTConfig(
                output_dir=str(self._folder / "plain"),
                max_steps=recipe.max_steps,
                per_device_train_batch_size=recipe.per_device_batch_size,
                gradient_accumulation_steps=recipe.gradient_accumulation_steps,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type=recipe.lr_scheduler,
                warmup_steps=recipe.warmup_ratio,
                weight_decay=recipe.weight_decay,
                max_grad_norm=recipe.max_grad_norm,
                seed=recipe.seed,
                bf16=self._dtype == torch.bfloat16,
                use_cpu=self._device.type == "cpu",
                logging_steps=1,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                gradient_checkpointing=False,
                max_length=None,
            ),
            train_dataset=TrainingRows.from_list([row.features() for row in self._rows]),
            processing_class=self._tokenizer,
            peft_config=lora_config(recipe),
            callbacks=[losses],
        )
        trainer.order = StepSampler(
            [len(row.tokens) for row in self._rows], step_size=recipe.effective_batch_size, seed=recipe.seed
        )
        trainer.train()
        return self._judged(name, losses.values, shop)

    def ours(self, name: str) -> Trained:
        """Train with the worker's trainer."""
        told: list[Event] = []
        shop = self._shop("sdpa")
        open_trainer(shop, self._rows, self._recipe, self._folder / "ours", Meter(told.append, 1)).run()
        print(*(event.text for event in told if isinstance(event, Log)), sep="\n")
        return self._judged(name, [event.loss or 0.0 for event in told if isinstance(event, Progress)], shop)

    def _shop(self, attention: str) -> Workshop:
        torch.manual_seed(self._recipe.seed)
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._model, dtype=self._dtype, attn_implementation=attention
        )
        model.to(self._device)
        return Workshop("compared", self._rows, self._tokenizer, model, self._dtype, self._device)

    def _judged(self, name: str, losses: Sequence[float], shop: Workshop) -> Trained:
        validation = mean_loss(shop, self._val, batch_size=16)
        answers = torch.cat([self._likeliest(shop.model, row) for row in self._val])
        gc.collect()
        return Trained(name, losses, validation, answers)

    @torch.no_grad()
    def _likeliest(self, model: Any, row: Row) -> torch.Tensor:
        logits = model(torch.tensor([row.tokens], device=self._device)).logits[0]
        return cast(torch.Tensor, logits[row.prompt_length - 1 : -1].argmax(-1).cpu())


def distance(one: Trained, other: Trained) -> tuple[float, float]:
    """The greatest and the mean relative difference of two trainings' losses, step by step."""
    pairs = zip(one.losses, other.losses, strict=True)
    apart = [abs(a - b) / abs(a) for a, b in pairs]
    return max(apart), sum(apart) / len(apart)


def main() -> int:
    """Train three times and compare. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-4, help="the learning rate")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    device = choose_device(cast(Literal["auto", "cpu", "cuda"], options.device))
    recipe = Recipe(dtype=options.dtype, max_steps=options.steps, learning_rate=options.rate, logging_steps=1)
    with tempfile.TemporaryDirectory(prefix="nls-equal-") as folder:
        comparison = Comparison(options.model, recipe, device, Path(folder))
        plain = comparison.plain("plain TRL", "sdpa")
        others = [comparison.plain("plain TRL, other kernels", "eager"), comparison.ours("ours")]
    print(f"{recipe.max_steps} steps of {recipe.effective_batch_size} in {recipe.dtype} on {device.type}")
    print("| against plain TRL        | apart at most | in mean | last loss | validation | same answers |")
    print("|--------------------------|---------------|---------|-----------|------------|--------------|")
    for each in [plain, *others]:
        most, mean = distance(plain, each)
        same = float((each.answers == plain.answers).float().mean())
        print(
            f"| {each.name:24} | {most:13.1e} | {mean:7.1e} | {each.losses[-1]:9.4f} | "
            f"{each.validation:10.4f} | {same:12.2%} |"
        )
    noise, ours = (distance(plain, each)[0] for each in others)
    allowed = max(ROOM * noise, 1e-3)
    print(f"ours is {ours:.2e} apart at most, and {allowed:.2e} is allowed")
    return 0 if ours <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
