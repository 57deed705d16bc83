"""What only a GPU can show: what a training holds, and that what is told of one that does not fit is so."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from stand_ins import QWEN3_1_7B, empty_tokenizer, random_rows
from transformers import AutoModelForCausalLM, Qwen3Config

from nls_sdk import Recipe
from nls_sdk.errors import RunFailed
from nls_sdk.events import Event, Log, Progress
from nls_sdk.worker.data import Row
from nls_sdk.worker.lean.trainer import LeanTrainer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.telling import Tell
from nls_sdk.worker.training import Workshop, open_trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

GB = 10**9
GPU = torch.device("cuda", 0)
SMALLER = {
    "vocab_size": 32_000,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 8,
    "head_dim": 64,
}
CONFIG = Qwen3Config(**{**QWEN3_1_7B, **SMALLER}, max_position_embeddings=40_960)
RECIPE = Recipe(per_device_batch_size=64, gradient_accumulation_steps=1, max_steps=4, logging_steps=1)


class Others:
    """Another program on the GPU, which takes what is left but for so many bytes."""

    def __init__(self) -> None:
        self._held: torch.Tensor | None = None

    def leave(self, size: int) -> None:
        self._held = None
        gc.collect()
        torch.cuda.empty_cache()
        self.take_all_but(size)

    def take_all_but(self, size: int) -> None:
        free, _ = torch.cuda.mem_get_info(GPU)
        self._held = torch.empty(max(0, free - size), dtype=torch.uint8, device=GPU)

    @property
    def size(self) -> int:
        return 0 if self._held is None else self._held.nbytes


@pytest.fixture
def others() -> Iterator[Others]:
    held = Others()
    yield held
    held.leave(1 << 50)


@pytest.fixture
def rows() -> list[Row]:
    return random_rows(4 * 64, CONFIG.vocab_size, prompt=300, answer=50)


def run(
    rows: Sequence[Row], recipe: Recipe, folder: Path, listen: Tell = lambda _: None
) -> tuple[list[float], float]:
    """Train a random model. Returns each step's loss, and the bytes that were predicted."""
    losses = []

    def tell(event: Event) -> None:
        listen(event)
        if isinstance(event, Progress):
            losses.append(event.loss or 0.0)

    torch.manual_seed(0)
    with GPU:
        model: Any = AutoModelForCausalLM.from_config(CONFIG, dtype=torch.bfloat16)
    shop = Workshop("random", rows, empty_tokenizer(), model, torch.bfloat16, GPU)
    meter = Meter(tell, 1)
    trainer = open_trainer(shop, rows, recipe, folder, meter)
    assert isinstance(trainer, LeanTrainer) == (
        recipe.lora_dropout == 0 and not recipe.gradient_checkpointing
    )
    trainer.run()
    return losses, meter.predicted


def attempt(*arguments: Any) -> list[float] | RunFailed:
    """Train. Returns the losses, or how it failed; then what it held is given back."""
    failure = None
    try:
        return run(*arguments)[0]
    except RunFailed as error:
        failure = RunFailed(error.message, hint=error.hint)  # Without the traceback, which holds tensors.
    gc.collect()
    torch.cuda.empty_cache()
    return failure


def refused(*arguments: Any) -> RunFailed:
    """How a training fails."""
    failure = attempt(*arguments)
    assert isinstance(failure, RunFailed)
    print(failure.message, failure.hint)
    return failure


def test_a_training_holds_what_was_predicted(rows: list[Row], tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    *_, predicted = run(rows, RECIPE, tmp_path)
    tensors, held = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved() - before
    print(f"predicted {predicted / GB:.2f} GB, tensors {tensors / GB:.2f}, held {held / GB:.2f}")
    assert tensors == pytest.approx(predicted, rel=0.1)
    assert held < 1.2 * predicted


def test_the_longest_example_that_is_said_to_fit_does(
    rows: list[Row], others: Others, tmp_path: Path
) -> None:
    recipe = attrs.evolve(RECIPE, per_device_batch_size=8, max_steps=2)
    long = random_rows(1, CONFIG.vocab_size, prompt=32_000)[0]
    others.leave(8 * GB)
    failure = refused([*rows[:15], long], recipe, tmp_path / "refused")
    numbers = re.fullmatch(
        r"The GPU has ([\d.]+) GB for a batch, and the longest example alone, of (\d+) tokens, "
        r"needs ([\d.]+)\.",
        failure.message,
    )
    assert numbers
    assert float(numbers[1]) < 8 * GB < float(numbers[3]) * GB
    assert int(numbers[2]) == len(long.tokens)
    told = re.search(r"longer than (\d+) tokens \(max_length\)", failure.hint)
    assert told
    fitting = Row(long.tokens[: int(told[1])], int(told[1]) - 20)
    losses, *_ = run([*rows[:15], fitting], recipe, tmp_path / "fitting")
    assert len(losses) == 2


def test_a_gpu_that_another_program_fills_is_told_of_and_trained_on_again(
    rows: list[Row], others: Others, tmp_path: Path
) -> None:
    """It takes the memory when the training has planned; started again, that takes what is left."""
    undisturbed, *_ = run(rows, RECIPE, tmp_path / "undisturbed")

    def intrude(event: Event) -> None:
        if isinstance(event, Log) and event.text.startswith("the GPU will hold"):
            others.take_all_but(4 * GB)

    failure = refused(rows, RECIPE, tmp_path / "failing", intrude)
    assert re.fullmatch(
        r"The GPU ran out of memory: it has [\d.]+ GiB, [\d.]+ [GM]iB were free, and [\d.]+ [GM]iB more were "
        r"needed; the training was to hold [\d.]+ GB \(weights [\d.]+, .*\)\.",
        failure.message,
    )
    assert "start again under the same name" in failure.hint
    assert others.size
    again, *_ = run(rows, RECIPE, tmp_path / "failing")
    assert again == pytest.approx(undisturbed, rel=1e-2)
    assert "gradient_checkpointing = true" in failure.hint
    smaller = attrs.evolve(
        RECIPE, gradient_checkpointing=True, per_device_batch_size=8, gradient_accumulation_steps=8
    )
    losses, *_ = run(rows, smaller, tmp_path / "checkpointing")
    assert losses == pytest.approx(undisturbed, rel=1e-2)


def test_following_what_trls_own_step_advises_ends_in_a_training(
    rows: list[Row], others: Others, tmp_path: Path
) -> None:
    recipe = attrs.evolve(RECIPE, lora_dropout=0.05, max_steps=2)
    others.leave(6 * GB)
    end = attempt(rows, recipe, tmp_path)
    while isinstance(end, RunFailed):
        print(end.message, end.hint)
        assert re.match(r"The GPU ran out of memory: it has [\d.]+ GiB, .* more were needed\.", end.message)
        sizes = r"per_device_batch_size = (\d+) and gradient_accumulation_steps = (\d+) "
        advice = re.match(sizes, end.hint)
        assert advice, "nothing that was advised fits"
        batch, accumulation = map(int, advice.groups())
        recipe = attrs.evolve(recipe, per_device_batch_size=batch, gradient_accumulation_steps=accumulation)
        end = attempt(rows, recipe, tmp_path)
    assert len(end) == 2
    assert recipe.per_device_batch_size < 64, "the GPU was never full"
