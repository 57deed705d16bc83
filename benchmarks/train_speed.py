"""Training speed on one GPU: plain TRL in several settings, the worker's own step, and the floor.

    python benchmarks/train_speed.py [--config DIR] [--only NAME ...] [--steps 60] [--whole]

Random weights of Qwen3-1.7B's architecture, or of the configuration in a folder: speed does not depend on
the weights. Examples are random tokens, with lengths as those of questions and queries: prompts of 62 +- 14
tokens, answers of 20 +- 7. All begin with the same 16 tokens, as many as Qwen3's tokenizer makes of the SDK's
system message and what stands around it. The floor is what all matrix products, forward and back, would take
at the rate that a large bfloat16 product reaches on this machine, with every token of every example going
through every layer and projected onto the vocabulary.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from datasets import Dataset as TrainingRows
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    TrainerCallback,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from nls_sdk import Dataset, Recipe
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.events import Event, Failed, Log, Progress, Succeeded, load_event
from nls_sdk.rundir import RunDirectory
from nls_sdk.synthetic import write
from nls_sdk.tasks import Train
from nls_sdk.worker.data import Row
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.trainer import lora_config
from nls_sdk.worker.training import Workshop, open_trainer

GPU = torch.device("cuda", 0)
SHARED = 16
QWEN3_1_7B: dict[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@frozen
class Measured:
    """One line of the table.

    Attributes:
        name: What ran.
        examples: Examples of one optimizer step.
        seconds: What one step took.
        memory: The most the GPU held, in bytes.
        start: Seconds from the loaded model to the end of the first step.
    """

    name: str
    examples: int
    seconds: float
    memory: float
    start: float


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
        torch.cuda.synchronize()
        now = time.perf_counter()
        if state.global_step == 1:
            self.first = now
        if state.global_step == self._warm:
            self._begun = now
        if state.global_step == state.max_steps:
            self.seconds = (now - self._begun) / (state.max_steps - self._warm)


class Bench:
    """Measures trainings of one architecture on one set of examples."""

    def __init__(self, config: Any, steps: int, folder: Path) -> None:
        self._config, self._steps, self._folder = config, steps, folder
        numbers = random.Random(0)
        self.rows = [_row(numbers, config.vocab_size) for _ in range(4096)]
        self.tokens = sum(len(row.tokens) for row in self.rows) / len(self.rows)
        empty = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=empty, pad_token="<pad>", eos_token="<eos>"
        )

    def plain(
        self, batch: int, accumulation: int, *, warm: int = 10, **options: Any
    ) -> Callable[[str], Measured]:
        """TRL's trainer as it comes."""

        def measure(name: str) -> Measured:
            clock = Clock(warm)
            each = batch * accumulation
            steps = warm + 15
            rows = (self.rows * (1 + each * steps // len(self.rows)))[: each * steps]
            trainer = SFTTrainer(
                model=self._model(),
                args=SFTConfig(
                    output_dir=str(self._folder / "plain"),
                    max_steps=steps,
                    per_device_train_batch_size=batch,
                    gradient_accumulation_steps=accumulation,
                    learning_rate=2e-4,
                    lr_scheduler_type="cosine",
                    bf16=True,
                    logging_steps=1000,
                    save_strategy="no",
                    report_to="none",
                    disable_tqdm=True,
                    gradient_checkpointing=False,
                    max_length=None,
                    **options,
                ),
                train_dataset=TrainingRows.from_list([row.features() for row in rows]),
                processing_class=self._tokenizer,
                peft_config=lora_config(Recipe()),
                callbacks=[clock],
            )
            return self._timed(name, each, clock, trainer.train)

        return measure

    def ours(self, batch: int, *, without: str = "", warm: int = 12) -> Callable[[str], Measured]:
        """The worker's trainer."""

        def measure(name: str) -> Measured:
            os.environ["NLS_LEAN_WITHOUT"] = without
            steps = self._steps if batch < 64 else warm + 18
            recipe = Recipe(
                per_device_batch_size=batch, gradient_accumulation_steps=1, max_steps=steps, logging_steps=20
            )
            shop = Workshop("random", self.rows, self._tokenizer, self._model(), torch.bfloat16, GPU)
            clock = Clock(warm)
            trainer = open_trainer(shop, self.rows, recipe, self._folder / "ours", Meter(_tell, 20))
            trainer.add_callback(clock)
            return self._timed(name, batch, clock, trainer.run)

        return measure

    def _timed(self, name: str, examples: int, clock: Clock, run: Callable[[], Any]) -> Measured:
        torch.cuda.reset_peak_memory_stats()
        begun = time.perf_counter()
        run()
        memory = torch.cuda.max_memory_allocated()
        return Measured(name, examples, clock.seconds, memory, clock.first - begun)

    def _model(self) -> Any:
        torch.manual_seed(0)
        with GPU:
            return AutoModelForCausalLM.from_config(self._config, dtype=torch.bfloat16)


def whole_run(config: Any, folder: Path) -> None:
    """A worker process from its start to its end, on 5,000 generated examples for three epochs."""
    train, _ = write(folder / "artifacts", train=5000, val=2)
    texts = [
        text for example in Dataset.from_jsonl(train) for text in (m["content"] for m in example.messages)
    ]
    base = folder / "artifacts" / "base"
    with GPU:
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(base)
    _tokenizer(texts).save_pretrained(base)
    torch.cuda.empty_cache()
    stored = [Artifact(path.relative_to(folder).as_posix(), *fingerprint(path)) for path in (base, train)]
    task = Train(name="whole", base=stored[0], data=stored[1], recipe=Recipe(logging_steps=100))
    RunDirectory(folder, task.run_id).write_task(task)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "nls_sdk.worker", "--home", str(folder), task.run_id],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = load_event(line)
        at = time.perf_counter() - begun
        match event:
            case Log():
                print(f"{at:6.1f} s  {event.text}", flush=True)
            case Progress(step=step, total=total) if step in (1, 100, total):
                print(
                    f"{at:6.1f} s  step {step} of {total}, {event.tokens_per_second:,.0f} tokens/s",
                    flush=True,
                )
            case Succeeded() | Failed():
                print(f"{at:6.1f} s  {event}", flush=True)
    process.wait()
    print(f"{time.perf_counter() - begun:6.1f} s  the process has ended")


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=special, initial_alphabet=alphabet)
    bpe.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=special[0], eos_token=special[2])
    made.chat_template = _TEMPLATE
    return made


def _tell(event: Event) -> None:
    if isinstance(event, Log):
        print("   ", event.text, flush=True)


def _row(numbers: random.Random, vocabulary: int) -> Row:
    prompt, answer = max(24, int(numbers.gauss(62, 14))), max(5, int(numbers.gauss(20, 7)))
    own = [numbers.randrange(2, vocabulary) for _ in range(prompt + answer - SHARED)]
    return Row([*range(2, 2 + SHARED), *own], prompt)


def _product_rate() -> float:
    """FLOP/s of a large bfloat16 matrix product."""
    a = torch.randn(8192, 8192, device=GPU, dtype=torch.bfloat16)
    b = torch.randn_like(a)
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(20):
        a @ b
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - begun)


def _parameters(config: Any) -> int:
    """Of the matrices that a token goes through."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(each.weight.numel() for each in model.modules() if isinstance(each, torch.nn.Linear))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, help="a folder with another config.json")
    parser.add_argument("--only", nargs="*", help="lines of the table, by name")
    parser.add_argument("--steps", type=int, default=100, help="of the worker's small batches")
    parser.add_argument("--whole", action="store_true", help="time a whole run of the worker in its place")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    config = AutoConfig.from_pretrained(options.config) if options.config else Qwen3Config(**QWEN3_1_7B)
    with tempfile.TemporaryDirectory(prefix="nls-speed-") as folder:
        if options.whole:
            return whole_run(config, Path(folder))
        bench = Bench(config, options.steps, Path(folder))
        lines: dict[str, Any] = {
            "ours, batch 8": bench.ours(8),
            "ours, batch 64": bench.ours(64),
            "ours, batch 128": bench.ours(128),
            "ours, batch 256": bench.ours(256),
            "ours, batch 128, without shared": bench.ours(128, without="shared"),
            "ours, batch 8, without shared": bench.ours(8, without="shared"),
            "ours, batch 8, without compiled": bench.ours(8, without="compiled"),
            "ours, batch 8, without joined": bench.ours(8, without="joined"),
            "ours, batch 8, without graphs": bench.ours(8, without="graphs"),
            "plain TRL, 4 x 2 (the default recipe)": bench.plain(4, 2),
            "plain TRL, batch 8": bench.plain(8, 1),
            "plain TRL, batch 128": bench.plain(128, 1),
            "plain TRL, batch 8, torch_compile": bench.plain(8, 1, torch_compile=True, warm=25),
            # Last: Liger changes transformers' classes for good.
            "plain TRL, batch 8, Liger": bench.plain(8, 1, use_liger_kernel=True),
            "plain TRL, batch 128, Liger": bench.plain(128, 1, use_liger_kernel=True),
        }
        results = []
        for name, measure in lines.items():
            if options.only and name not in options.only:
                continue
            try:
                results.append(measure(name))
                print(results[-1], flush=True)
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:400]}", flush=True)
            gc.collect()
            torch.cuda.empty_cache()
    rate, work = _product_rate(), 4 * _parameters(config)
    floor = rate / work
    print(
        f"\n{torch.cuda.get_device_name()}, {bench.tokens:.1f} tokens an example; bfloat16 products run at ",
        end="",
    )
    print(f"{rate / 1e12:.0f} TFLOP/s: the floor is {floor:,.0f} tokens/s")
    print(f"| {'':38} | ms/step | examples/s | tokens/s | of the floor | peak GB | first step s |")
    print(f"|{'-' * 40}|---------|------------|----------|--------------|---------|--------------|")
    for each in results:
        pace = each.examples / each.seconds
        print(
            f"| {each.name:38} | {1000 * each.seconds:7.1f} | {pace:10.1f} | {pace * bench.tokens:8,.0f} | "
            f"{pace * bench.tokens / floor:12.1%} | {each.memory / 1e9:7.1f} | {each.start:12.1f} |"
        )


if __name__ == "__main__":
    main()
