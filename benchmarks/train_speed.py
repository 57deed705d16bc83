"""Training speed on a GPU: plain TRL in several settings, the worker, and the floor, in one table.

    python benchmarks/train_speed.py [--config DIR] [--only NAME ...] [--all] [--gpus 2]

Random weights of Qwen3-1.7B's architecture, or of the configuration in a folder: speed does not depend on
the weights. Examples are random tokens, with lengths as those of questions and queries: prompts of 62 +- 14
tokens, answers of 20 +- 7. All begin with the same 16 tokens, as many as Qwen3's tokenizer makes of the SDK's
system message and what stands around it. The floor is what all matrix products, forward and back, would take
at the rate that a large bfloat16 product reaches on this machine, with every token of every example going
through every layer and projected onto the vocabulary.

Each line is measured in a process of its own; all of them import first, and then one runs at a time. A line
that fails or takes too long says so and costs no other. A whole training by a worker process comes last,
5,000 generated examples for three epochs, beside the time in which the default recipe's steps alone would
be done by plain TRL. With `--gpus 2` so many GPUs are compared with one, too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
from train_line import Line, Measured

EXAMPLES, EPOCHS = 5000, 3

SPEC = Line("plain TRL, 4 x 2 (the default recipe)", 4, 2, steps=200, warm=10, plain=True, limit=180)
BATCH_8 = Line("the worker, batch 8", 8, steps=100, warm=12)
FULL = Line("the worker, batch 256", 256, steps=18, warm=12)
COMPILED = Line(
    "plain TRL, batch 8, torch_compile", 8, steps=15, warm=25, plain=True, option="torch_compile", limit=240
)
LINES = [
    BATCH_8,
    FULL,
    SPEC,
    Line("plain TRL, batch 8", 8, steps=15, plain=True),
    Line("plain TRL, batch 8, Liger", 8, steps=15, warm=25, plain=True, option="use_liger_kernel"),
    Line("plain TRL, batch 128", 128, steps=10, warm=5, plain=True),
    COMPILED,
]
MORE = [
    Line("the worker, batch 64", 64, steps=18, warm=12),
    Line("the worker, batch 128", 128, steps=18, warm=12),
    Line("the worker, batch 128, without shared", 128, steps=18, warm=12, without="shared"),
    *(
        Line(f"the worker, batch 8, without {means}", 8, steps=100, warm=12, without=means)
        for means in ("shared", "compiled", "joined", "graphs")
    ),
    Line("plain TRL, batch 128, Liger", 128, steps=10, plain=True, option="use_liger_kernel"),
]


class Waiting:
    """A process that has imported what it needs, and waits for what to measure."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("train_line.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it has imported everything; one that has failed says so when it is asked."""
        assert self._process.stdout is not None
        self._said = ""
        while (line := self._process.stdout.readline()) not in ("ready\n", ""):
            self._said += line

    def ask(self, line: Line | None, config: str, limit: float) -> dict[str, Any]:
        """What it measures of a line, or of the floor.

        Raises:
            RuntimeError: It failed or took too long; the message says how.
        """
        asked = json.dumps({"line": line and attrs.asdict(line), "config": config})
        try:
            said, _ = self._process.communicate(f"{asked}\n", timeout=limit)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"it took more than {limit:.0f} s") from None
        finally:
            self.end()
        words = [word for word in (self._said + said).splitlines() if word.strip()]
        if self._process.returncode:
            raise RuntimeError(words[-1][:300] if words else f"exit code {self._process.returncode}")
        for word in words[:-1]:
            if word.startswith("    "):  # Its log; the rest are warnings.
                print(word)
        return dict(json.loads(words[-1]))

    def end(self) -> None:
        """End it, and what it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def whole(config: str, *flags: str) -> float:
    """Time worker processes. Returns when the adapter was saved, in seconds; 0 when none was."""
    script = Path(__file__).with_name("train_whole.py")
    command = [sys.executable, str(script), "--config", config, *flags]
    saved = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print("   ", line, end="", flush=True)
            if "the adapter is saved" in line:
                saved = float(line.split()[0])
    return saved


def print_table(results: dict[Line, Measured], floor: dict[str, Any]) -> None:
    """Print what was measured, beside the floor."""
    pace_of_floor, tokens = floor["rate"] / floor["work"], floor["tokens"]
    print(f"\n{floor['device']}, {tokens:.1f} tokens an example; bfloat16 products run at ", end="")
    print(f"{floor['rate'] / 1e12:.0f} TFLOP/s: the floor is {pace_of_floor:,.0f} tokens/s")
    names = ("ms/step", "examples/s", "tokens/s", "of the floor", "tensors GB", "held GB", "predicted GB")
    print(f"| {'':38} | {' | '.join(names)} | first step s |")
    print(f"|{'-' * 40}|{'|'.join('-' * (len(name) + 2) for name in names)}|--------------|")
    for line, each in results.items():
        pace = each.examples / each.seconds
        predicted = f"{each.predicted / 1e9:12.1f}" if each.predicted else " " * 12
        print(
            f"| {line.name:38} | {1000 * each.seconds:7.1f} | {pace:10.1f} | {pace * tokens:8,.0f} | "
            f"{pace * tokens / pace_of_floor:12.1%} | {each.tensors / 1e9:10.1f} | {each.held / 1e9:7.1f} | "
            f"{predicted} | {each.start:12.1f} |"
        )


def print_summary(results: dict[Line, Measured], floor: dict[str, Any], saved: float) -> None:
    """Print what the table comes to."""
    ours, full, spec = (results.get(line) for line in (BATCH_8, FULL, SPEC))
    if ours:
        print(f"batch 8: {1000 * ours.seconds:.1f} ms a step", end="")
        print(f", {spec.seconds / ours.seconds:.1f} times the default recipe by plain TRL" if spec else "")
    if full:
        pace = full.examples / full.seconds * floor["tokens"]
        print(
            f"full throughput: {pace:,.0f} tokens/s, {pace * floor['work'] / floor['rate']:.1%} of the floor"
        )
    steps = EXAMPLES * EPOCHS // 8
    if saved:
        print(f"whole run, {EXAMPLES:,} examples x {EPOCHS}: {saved:.1f} s until the adapter is saved")
    if saved and spec:
        rest = spec.seconds * steps
        print(
            f"the same {steps} steps by plain TRL, from {SPEC.steps} that were timed: {rest:,.0f} s ", end=""
        )
        print(f"without its start, {rest / saved:.1f} times as long")
    for line, each in results.items():
        if each.predicted:
            off = each.predicted / each.tensors - 1
            print(f"memory of {line.name}: predicted {off:+.1%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="", help="a folder with another config.json")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="lines of the table")
    parser.add_argument("--all", action="store_true", help="every line, those of single means too")
    parser.add_argument("--no-whole", action="store_true", help="leave the whole training out")
    parser.add_argument("--gpus", type=int, default=1)
    options = parser.parse_args()
    begun = time.perf_counter()
    every = LINES + MORE
    chosen = [line for line in every if line.name in options.only] if options.only else every
    chosen = chosen if options.only or options.all else LINES
    waiting = {line: Waiting() for line in (None, *chosen)}
    results: dict[Line, Measured] = {}
    try:
        for process in waiting.values():
            process.wait()
        print(f"{len(waiting)} processes are ready after {time.perf_counter() - begun:.1f} s", flush=True)
        floor = waiting.pop(None).ask(None, options.config, 60)
        for line, process in waiting.items():
            assert line is not None
            try:
                results[line] = Measured(**process.ask(line, options.config, line.limit))
                told = f"{1000 * results[line].seconds:.1f} ms a step"
            except RuntimeError as error:
                told = f"failed: {error}"
            print(f"{time.perf_counter() - begun:6.1f} s  {line.name}: {told}", flush=True)
    finally:
        for process in waiting.values():
            process.end()
    print_table(results, floor)
    saved = 0.0
    if not options.no_whole:
        print("\na whole training by a worker process:")
        saved = whole(options.config, "--examples", str(EXAMPLES), "--epochs", str(EPOCHS))
    print_summary(results, floor, saved)
    if options.gpus > 1:
        whole(options.config, "--gpus", str(options.gpus))
    print(f"all of this took {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
