"""One line of train_speed.py's table, measured in a process of its own: its words are read by that alone.

Reads a line as JSON when everything is imported, and prints what it measured as JSON, last.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import torch
from attrs import frozen
from datasets import Dataset as TrainingRows
from plain_trl import plain_config
from stand_ins import QWEN3_1_7B, empty_tokenizer, random_rows
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3Config, TrainerCallback
from trl.trainer.sft_trainer import SFTTrainer

from nls_sdk import Recipe
from nls_sdk.events import Event, Log
from nls_sdk.worker.devices import choose_device
from nls_sdk.worker.lean.means import WITHOUT
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.trainer import lora_config
from nls_sdk.worker.training import Workshop, open_trainer

ROWS = 4096


@frozen
class Line:
    """What to measure.

    Attributes:
        name: What the table calls it.
        batch: Examples of a forward pass.
        accumulation: Forward passes of an optimizer step.
        steps: Optimizer steps that are timed.
        warm: Steps before them.
        plain: Train with TRL's trainer as it comes; else with the worker's.
        option: What TRL's trainer has switched on besides.
        without: Means that the worker's step leaves out.
        limit: Seconds that it may take.
    """

    name: str
    batch: int
    accumulation: int = 1
    steps: int = 20
    warm: int = 10
    plain: bool = False
    option: str = ""
    without: str = ""
    limit: float = 90.0


@frozen
class Measured:
    """What was measured.

    Attributes:
        examples: Examples of one optimizer step.
        seconds: What one step took.
        start: Seconds from the loaded model to the end of the first step.
        predicted: Bytes that the GPU was predicted to hold; 0 where nothing predicts them.
        tensors: The most that tensors took.
        held: The most that torch held for them.
    """

    examples: int
    seconds: float
    start: float
    predicted: float
    tensors: float
    held: float


class Clock(TrainerCallback):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """Times the steps after a warm-up."""

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self._begun = 0.0
        self.first = 0.0
        self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the clock where the GPU has nothing left to do."""
        if state.global_step not in (1, self._warm, state.max_steps):
            return
        _wait()
        now = time.perf_counter()
        if state.global_step == 1:
            self.first = now
        if state.global_step == self._warm:
            self._begun = now
        if state.global_step == state.max_steps:
            self.seconds = (now - self._begun) / (state.max_steps - self._warm)


def read_config(folder: str) -> Any:
    """The configuration in a folder; Qwen3-1.7B's where none is named."""
    return AutoConfig.from_pretrained(folder) if folder else Qwen3Config(**QWEN3_1_7B)


def random_model(config: Any, device: torch.device) -> Any:
    """A model of random weights in bfloat16."""
    torch.manual_seed(0)
    with device:
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def plain(line: Line, config: Any, folder: Path, clock: Clock) -> Callable[[], Any]:
    """TRL's trainer as it comes. Returns what trains."""
    recipe, device = _recipe(line), choose_device()
    switched_on: dict[str, Any] = {line.option: True} if line.option else {}
    rows = random_rows(ROWS, config.vocab_size)
    # More epochs of fewer examples would have TRL wait between them.
    count = recipe.effective_batch_size * recipe.max_steps
    rows = (rows * (1 + count // ROWS))[:count]
    trainer = SFTTrainer(
        model=random_model(config, device),
        args=plain_config(recipe, folder, torch.bfloat16, device, logging_steps=1000, **switched_on),
        train_dataset=TrainingRows.from_list([row.features() for row in rows]),
        processing_class=empty_tokenizer(),
        peft_config=lora_config(recipe),
        callbacks=[clock],
    )
    return trainer.train


def ours(line: Line, config: Any, folder: Path, clock: Clock, meter: Meter) -> Callable[[], Any]:
    """The worker's trainer. Returns what trains."""
    os.environ[WITHOUT] = line.without
    device, rows = choose_device(), random_rows(ROWS, config.vocab_size)
    shop = Workshop("random", rows, empty_tokenizer(), random_model(config, device), torch.bfloat16, device)
    trainer = open_trainer(shop, rows, _recipe(line), folder, meter)
    trainer.add_callback(clock)
    return trainer.run


def _recipe(line: Line) -> Recipe:
    return Recipe(
        per_device_batch_size=line.batch,
        gradient_accumulation_steps=line.accumulation,
        max_steps=line.warm + line.steps,
        checkpoint_steps=line.warm + line.steps,  # None is saved while the clock runs.
        logging_steps=1000,
    )


def measure(line: Line, config: Any, folder: Path) -> Measured:
    """Train so many steps and measure."""
    clock, meter = Clock(line.warm), Meter(_tell, 1000)
    run = plain(line, config, folder, clock) if line.plain else ours(line, config, folder, clock, meter)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    run()
    return Measured(
        line.batch * line.accumulation,
        clock.seconds,
        clock.first - begun,
        meter.predicted,
        torch.cuda.max_memory_allocated() if on_gpu else 0,
        torch.cuda.max_memory_reserved() if on_gpu else 0,
    )


def product_rate() -> float:
    """FLOP/s of a large bfloat16 matrix product, over about a second."""
    device = choose_device()
    size, times = (8192, 600) if device.type == "cuda" else (512, 3)
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    b = torch.randn_like(a)
    for _ in range(3):
        a @ b
    _wait()
    begun = time.perf_counter()
    for _ in range(times):
        a @ b
    _wait()
    return times * 2 * size**3 / (time.perf_counter() - begun)


def parameters(config: Any) -> int:
    """Of the matrices that a token goes through."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(each.weight.numel() for each in model.modules() if isinstance(each, torch.nn.Linear))


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _tell(event: Event) -> None:
    if isinstance(event, Log):
        print("   ", event.text, flush=True)


def main() -> None:
    """Measure one line, or the floor."""
    warnings.simplefilter("ignore")
    print("ready", flush=True)
    asked = json.loads(sys.stdin.readline())
    config = read_config(asked["config"])
    found: dict[str, Any]
    if (line := asked["line"]) is None:
        rows = random_rows(ROWS, config.vocab_size)
        found = {
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU",
            "rate": product_rate(),
            "work": 4 * parameters(config),
            "tokens": sum(len(row.tokens) for row in rows) / len(rows),
        }
    else:
        with tempfile.TemporaryDirectory(prefix="nls-line-") as folder:
            found = attrs.asdict(measure(Line(**line), config, Path(folder)))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
