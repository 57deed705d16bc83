"""Whole trainings by worker processes, from the start of the process to its end, on generated examples.

    python benchmarks/train_whole.py [--config DIR] [--examples 5000] [--epochs 3]
    python benchmarks/train_whole.py --gpus 2 [--config DIR] [--batch 64]

The model has random weights of Qwen3-1.7B's architecture, or of the configuration in a folder. The second
form trains with one GPU and with several, and prints how many times as fast these are; without a GPU it
shares the steps among as many processes on the CPU.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from train_line import random_model, read_config
from transformers import PreTrainedTokenizerFast

from nls_sdk import Dataset, Recipe
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.events import Event, Failed, Log, Progress, Succeeded, load_event
from nls_sdk.rundir import RunDirectory
from nls_sdk.synthetic import write
from nls_sdk.tasks import Train
from nls_sdk.worker.devices import choose_device

STEPS = 60
"""Of a training whose pace is compared."""

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Home:
    """A folder with a random base model and generated examples, for workers to train in."""

    def __init__(self, folder: Path, config: str, examples: int) -> None:
        self._folder = folder
        train, _ = write(folder / "artifacts", train=examples, val=2)
        base = folder / "artifacts" / "base"
        random_model(read_config(config), choose_device()).save_pretrained(base)
        texts = (m["content"] for example in Dataset.from_jsonl(train) for m in example.messages)
        _tokenizer(texts).save_pretrained(base)
        self._base, self._data = self._store(base), self._store(train)

    def _store(self, path: Path) -> Artifact:
        return Artifact(path.relative_to(self._folder).as_posix(), *fingerprint(path))

    def train(self, name: str, recipe: Recipe, *flags: str) -> Iterator[tuple[float, Event]]:
        """What a worker tells, and after how many seconds."""
        task = Train(name=name, base=self._base, data=self._data, recipe=recipe)
        RunDirectory(self._folder, task.run_id).write_task(task)
        command = [sys.executable, "-m", "nls_sdk.worker", "--home", str(self._folder), *flags, task.run_id]
        begun = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield time.perf_counter() - begun, load_event(line)


def whole(home: Home, epochs: float) -> None:
    """Train by the default recipe, and print where the seconds go."""
    for at, event in home.train("whole", Recipe(epochs=epochs, logging_steps=100)):
        match event:
            case Log():
                print(f"{at:6.1f} s  {event.text}", flush=True)
            case Progress(step=step, total=total) if step in (1, 100, total):
                print(
                    f"{at:6.1f} s  step {step} of {total}, {event.tokens_per_second:,.0f} tokens/s",
                    flush=True,
                )
            case Failed():
                raise SystemExit(f"{at:6.1f} s  {event.message}")
            case Succeeded(metrics=metrics):
                print(f"{at:6.1f} s  the adapter is saved: {metrics['examples']:.0f} examples trained on")
                if "predicted_gpu_bytes" in metrics:
                    predicted, used = metrics["predicted_gpu_bytes"], metrics["peak_gpu_bytes"]
                    print(f"          predicted {predicted / 1e9:.2f} GB, used {used / 1e9:.2f} GB")


def pace(home: Home, batch: int, processes: int) -> float:
    """Examples a second in the last third of a training that processes share."""
    recipe = Recipe(
        per_device_batch_size=batch,
        gradient_accumulation_steps=1,
        max_steps=STEPS,
        logging_steps=STEPS // 3,
    )
    found = 0.0
    for _, event in home.train(f"by-{processes}", recipe, "--processes", str(processes)):
        if isinstance(event, Failed):
            raise SystemExit(f"{processes} processes: {event.message} {event.hint}")
        if isinstance(event, Progress):
            found = event.examples_per_second or 0.0
    return found


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=special[0], eos_token=special[2])
    made.chat_template = _TEMPLATE
    return made


def main() -> None:
    """Time a whole run, or compare one GPU with several."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="", help="a folder with another config.json")
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="of the comparison")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nls-whole-") as folder:
        home = Home(Path(folder), options.config, options.examples)
        if options.gpus == 1:
            return whole(home, options.epochs)
        paces = []
        for processes in (1, options.gpus):
            paces.append(pace(home, options.batch, processes))
            print(f"{processes} x: {paces[-1]:,.0f} examples/s at batch {options.batch}", flush=True)
        print(f"{options.gpus} are {paces[1] / paces[0]:.2f} times as fast as one")


if __name__ == "__main__":
    main()
