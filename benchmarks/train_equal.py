"""Whether the worker's own step learns what plain TRL learns, beside how far plain runs are apart.

    python benchmarks/train_equal.py MODEL_FOLDER [--steps 200] [--dtype bfloat16] [--device auto] [--batch N]

Trains the model on generated questions with plain TRL, with the worker's trainer, and twice more with plain
TRL in ways that change rounding and nothing else: on other attention kernels, and with a step's examples in
the reverse order. Seed, examples of a step and recipe are the same. Prints how far the losses are apart from
the first's, for how many steps they stay within 1e-3 of them, the validation losses, on how many tokens of
the validation answers the adapters agree with the first, and how many whole answers have the right token as
the likeliest at each place. Exits with 1 when the worker's losses are further from plain TRL's than 1e-3 and
than twice what rounding alone brings.

`--batch` compares another batch too, on as many examples and with the learning rate that suits AdamW;
the other ways are then left out.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import attrs
import torch
from attrs import frozen
from plain_trl import train_plainly
from transformers import AutoModelForCausalLM

from nls_sdk import Dataset, Recipe
from nls_sdk.events import Event, Log, Progress
from nls_sdk.synthetic import write
from nls_sdk.worker.data import Row, tokenize
from nls_sdk.worker.devices import choose_device
from nls_sdk.worker.dry_run import mean_loss
from nls_sdk.worker.loading import load_tokenizer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.training import Workshop, open_trainer

ROOM = 2.0
"""How many times the distance of two plain runs is allowed."""

CLOSE = 1e-3
"""What is allowed whatever theirs; the steps within it are counted."""


@frozen
class Trained:
    """What a training came to.

    Attributes:
        name: How it was trained.
        losses: Of each step.
        validation: Loss on the validation rows.
        answers: The likeliest token at each place of the validation answers.
        right: The share of the validation answers of which all of these are right.
        seconds: What the training took.
    """

    name: str
    losses: Sequence[float]
    validation: float
    answers: torch.Tensor
    right: float
    seconds: float


class Comparison:
    """One model, one recipe, one set of rows."""

    def __init__(self, model: Path, recipe: Recipe, device: torch.device, folder: Path) -> None:
        self._model, self._recipe, self._device, self._folder = model, recipe, device, folder
        self._dtype = cast(torch.dtype, getattr(torch, recipe.dtype))
        self._tokenizer = load_tokenizer(model)
        train, val = write(folder, train=6000, val=200)
        self._rows = tokenize(Dataset.from_jsonl(train), self._tokenizer, limit=recipe.max_length)
        self._val = tokenize(Dataset.from_jsonl(val), self._tokenizer, limit=recipe.max_length)

    def plain(self, name: str, attention: str = "sdpa", *, longest_first: bool = False) -> Trained:
        """Train with plain TRL."""
        shop = self._shop(attention)
        losses = train_plainly(shop, self._recipe, self._folder / "plain", longest_first=longest_first)
        return self._judged(name, losses, shop)

    def ours(self, name: str, recipe: Recipe) -> Trained:
        """Train with the worker's trainer."""
        told: list[Event] = []
        shop = self._shop("sdpa")
        open_trainer(shop, self._rows, recipe, self._folder / name, Meter(told.append, 1)).run()
        print(*(event.text for event in told if isinstance(event, Log)), sep="\n")
        return self._judged(name, [event.loss or 0.0 for event in told if isinstance(event, Progress)], shop)

    def _shop(self, attention: str) -> Workshop:
        torch.manual_seed(self._recipe.seed)
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._model, dtype=self._dtype, attn_implementation=attention
        )
        model.to(self._device)
        self._begun = time.monotonic()
        return Workshop("compared", self._rows, self._tokenizer, model, self._dtype, self._device)

    def _judged(self, name: str, losses: Sequence[float], shop: Workshop) -> Trained:
        seconds = time.monotonic() - self._begun
        validation = mean_loss(shop, self._val, batch_size=16)
        answers = [self._likeliest(shop.model, row) for row in self._val]
        wanted = [torch.tensor(row.tokens[row.prompt_length :]) for row in self._val]
        right = sum(torch.equal(*pair) for pair in zip(answers, wanted, strict=True)) / len(answers)
        gc.collect()
        return Trained(name, losses, validation, torch.cat(answers), right, seconds)

    @torch.no_grad()
    def _likeliest(self, model: Any, row: Row) -> torch.Tensor:
        logits = model(torch.tensor([row.tokens], device=self._device)).logits[0]
        return cast(torch.Tensor, logits[row.prompt_length - 1 : -1].argmax(-1).cpu())


@frozen
class Distance:
    """How far the losses of two trainings are apart, step by step, in shares of the first's.

    Attributes:
        most: At most.
        mean: In mean.
        close: Steps before the first that is further apart than `CLOSE`.
    """

    most: float
    mean: float
    close: int

    @classmethod
    def between(cls, one: Trained, other: Trained) -> Distance:
        """Of two trainings of as many steps."""
        apart = [abs(a - b) / abs(a) for a, b in zip(one.losses, other.losses, strict=True)]
        close = next((step for step, each in enumerate(apart) if each > CLOSE), len(apart))
        return cls(max(apart), sum(apart) / len(apart), close)


def main() -> int:
    """Train a few times and compare. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-4, help="the learning rate")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--batch", type=int, help="compare a batch of this size too")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    device = choose_device(cast(Literal["auto", "cpu", "cuda"], options.device))
    recipe = Recipe(dtype=options.dtype, max_steps=options.steps, learning_rate=options.rate, logging_steps=1)
    with tempfile.TemporaryDirectory(prefix="nls-equal-") as folder:
        comparison = Comparison(options.model, recipe, device, Path(folder))
        plain, ours = comparison.plain("plain TRL"), comparison.ours("ours", recipe)
        others = []
        if options.batch:
            times = options.batch / recipe.effective_batch_size
            larger = attrs.evolve(
                recipe,
                per_device_batch_size=options.batch,
                gradient_accumulation_steps=1,
                max_steps=max(1, int(recipe.max_steps / times)),
                learning_rate=recipe.learning_rate * times**0.5,
            )
            others.append(comparison.ours(f"ours, batch {options.batch}", larger))
        else:
            others.append(comparison.plain("plain TRL, other kernels", "eager"))
            others.append(comparison.plain("plain TRL, other order", longest_first=True))
    print(f"{recipe.max_steps} steps of {recipe.effective_batch_size} in {recipe.dtype} on {device.type}")
    columns = "at most | in mean | steps within 1e-3 | last loss | validation | tokens |  right |   s"
    print(f"| against plain TRL        | {columns} |")
    print(
        "|--------------------------|---------|---------|-------------------|-----------|------------|",
        end="",
    )
    print("--------|--------|-----|")
    for each in (plain, ours, *others):
        told = f"{'':7} | {'':7} | {'':17}"
        if len(each.losses) == len(plain.losses):
            apart = Distance.between(plain, each)
            told = f"{apart.most:7.1e} | {apart.mean:7.1e} | {apart.close:17}"
        same = float((each.answers == plain.answers).float().mean())
        print(
            f"| {each.name:24} | {told} | {each.losses[-1]:9.4f} | {each.validation:10.4f} | {same:6.1%} | "
            f"{each.right:6.1%} | {each.seconds:3.0f} |"
        )
    noise = 0.0 if options.batch else max(Distance.between(plain, other).most for other in others)
    allowed, measured = max(ROOM * noise, CLOSE), Distance.between(plain, ours).most
    print(
        f"ours is {measured:.2e} apart at most, plain TRL from itself {noise:.2e}; {allowed:.2e} is allowed"
    )
    return 0 if measured <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
