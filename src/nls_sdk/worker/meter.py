"""What a training has done so far: it survives a kill together with the checkpoint."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import TrainerCallback

from ..errors import RunFailed
from ..events import Progress
from ..rundir import write_json
from .telling import Tell

_FILE = "meter.json"


class Tally(msgspec.Struct):
    """Sums since the start of the training, over all its attempts.

    Attributes:
        loss: Sum of the steps' losses, each a mean over the step's answer tokens, in nats.
        window_loss: The same since the last report.
        window_steps: Steps since the last report.
        last_loss: The loss of the newest step.
        tokens: Tokens trained on, padding not counted.
        examples: Examples trained on, each as often as it was seen.
        seconds: Time spent, in checkpointed steps of earlier attempts and in this one.
    """

    loss: float = 0.0
    window_loss: float = 0.0
    window_steps: int = 0
    last_loss: float = 0.0
    tokens: int = 0
    examples: int = 0
    seconds: float = 0.0


class Meter(TrainerCallback):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """Counts what the trainer does and tells `Progress`.

    Attributes:
        tally: The sums; those of the present attempt are added when they are read.
        tell: Tells an event.
        work: FLOP of one token, and what the device can do in a second; None where that is not known.
        predicted: Bytes that the GPU was predicted to hold; 0 where that was not predicted.
    """

    def __init__(self, tell: Tell, logging_steps: int) -> None:
        self.tally = Tally()
        self.tell = tell
        self.work: tuple[float, float] | None = None
        self.predicted = 0
        self._every = logging_steps
        self._loss: torch.Tensor | None = None
        self._unread: list[torch.Tensor] = []
        self._seen = (0, 0)
        self._rate = 0.0
        self._read_at = 0.0
        self._window = (0.0, 0, 0)

    def count(self, examples: int, tokens: int, loss: torch.Tensor) -> None:
        """Add one forward pass: how much it saw, and its share of the step's loss."""
        self._loss = loss if self._loss is None else self._loss + loss
        self._seen = (self._seen[0] + examples, self._seen[1] + tokens)

    def save(self, folder: Path) -> None:
        """Write the sums, as last read, beside a checkpoint."""
        write_json(folder / _FILE, msgspec.to_builtins(self.tally))

    def load(self, folder: Path) -> None:
        """Go on from the sums beside a checkpoint."""
        self.tally = msgspec.convert(msgspec.json.decode((folder / _FILE).read_bytes()), type=Tally)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._read_at = time.monotonic()
        self._window = (self.tally.seconds, self.tally.tokens, self.tally.examples)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the rate of this step; the scheduler moves on right after."""
        self._rate = float(kwargs["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the step's sums, and tell how far the training is where a report is due."""
        assert self._loss is not None
        self._unread.append(self._loss)
        self._loss = None
        if state.global_step in (1, state.max_steps) or state.global_step % self._every == 0:
            self.read(state.global_step)
            self._report(state)

    def read(self, step: int) -> None:
        """Bring in what was counted up to a step, by all processes: each must call this at the same step.

        On a GPU this waits for it, so it is not done at every step.
        """
        losses, (examples, tokens) = _summed(self._unread, self._seen) if self._unread else ([], (0, 0))
        self.tally.examples += examples
        self.tally.tokens += tokens
        self._seen = (0, 0)
        for number, loss in enumerate(losses, step - len(losses) + 1):
            if not math.isfinite(loss):
                raise RunFailed(
                    f"The loss of step {number} is {loss}.",
                    hint="Lower learning_rate, or raise warmup_ratio; the run resumes from its last "
                    "checkpoint only with the same recipe, so give the new one another name.",
                )
            self.tally.last_loss = loss
            self.tally.loss += loss
            self.tally.window_loss += loss
            self.tally.window_steps += 1
        self._unread.clear()
        now = time.monotonic()
        self.tally.seconds += now - self._read_at
        self._read_at = now

    def utilization(self, pace: float | None) -> float | None:
        """The share of the device's arithmetic that so many tokens a second need; None where unknown."""
        if self.work is None or pace is None:
            return None
        return pace * self.work[0] / self.work[1]

    def _report(self, state: Any) -> None:
        tally = self.tally
        now = (tally.seconds, tally.tokens, tally.examples)
        seconds, tokens, examples = (new - old for new, old in zip(now, self._window, strict=True))
        pace = tokens / seconds if seconds > 0 else None
        self.tell(
            Progress(
                step=state.global_step,
                total=state.max_steps,
                loss=tally.window_loss / tally.window_steps,
                learning_rate=self._rate,
                tokens_per_second=pace,
                examples_per_second=examples / seconds if seconds > 0 else None,
                mfu=self.utilization(pace),
                gpu_memory=float(torch.cuda.memory_allocated()) if torch.cuda.is_available() else None,
                seconds_left=seconds / tally.window_steps * (state.max_steps - state.global_step),
            )
        )
        tally.window_loss, tally.window_steps = 0.0, 0
        self._window = (tally.seconds, tally.tokens, tally.examples)


def _summed(losses: list[torch.Tensor], seen: tuple[int, int]) -> tuple[list[float], tuple[int, int]]:
    """Each step's loss, and examples and tokens; of several processes each has its share."""
    counted = losses[0].new_tensor(seen, dtype=torch.float64)
    stacked = torch.cat([torch.stack(losses).double(), counted])
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(stacked)
    *values, examples, tokens = stacked.tolist()
    return values, (int(examples), int(tokens))
