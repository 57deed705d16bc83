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


class Meter(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Counts what the trainer does and tells `Progress`.

    Attributes:
        tally: The sums; those of the present attempt are added step by step.
    """

    def __init__(self, tell: Tell, logging_steps: int) -> None:
        self.tally = Tally()
        self._tell = tell
        self._every = logging_steps
        self._loss: torch.Tensor | float = 0.0
        self._tokens: torch.Tensor | int = 0
        self._rate = 0.0
        self._step_started = 0.0
        self._window = (0.0, 0)

    def count(self, inputs: dict[str, Any], loss: torch.Tensor) -> None:
        """Add one forward pass: its batch, and its share of the step's loss."""
        self._loss = self._loss + loss
        self._tokens = self._tokens + inputs["attention_mask"].sum()
        self.tally.examples += len(inputs["input_ids"])

    def save(self, folder: Path) -> None:
        """Write the sums beside a checkpoint."""
        write_json(folder / _FILE, msgspec.to_builtins(self.tally))

    def load(self, folder: Path) -> None:
        """Go on from the sums beside a checkpoint."""
        self.tally = msgspec.convert(msgspec.json.decode((folder / _FILE).read_bytes()), type=Tally)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._step_started = time.monotonic()
        self._window = (self.tally.seconds, self.tally.tokens)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the rate of this step; the scheduler moves on right after."""
        self._rate = float(kwargs["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the step's sums, and tell how far the training is where a report is due."""
        tally, now = self.tally, time.monotonic()
        loss = float(self._loss)
        if not math.isfinite(loss):
            raise RunFailed(
                f"The loss of step {state.global_step} is {loss}.",
                hint="Lower learning_rate, or raise warmup_ratio; the run resumes from its last checkpoint "
                "only with the same recipe, so give the new one another name.",
            )
        tally.last_loss = loss
        tally.loss += loss
        tally.window_loss += loss
        tally.window_steps += 1
        tally.tokens += int(self._tokens)
        tally.seconds += now - self._step_started
        self._loss, self._tokens, self._step_started = 0.0, 0, now
        if state.global_step in (1, state.max_steps) or state.global_step % self._every == 0:
            self._report(state)

    def _report(self, state: Any) -> None:
        tally = self.tally
        seconds, tokens = tally.seconds - self._window[0], tally.tokens - self._window[1]
        self._tell(
            Progress(
                step=state.global_step,
                total=state.max_steps,
                loss=tally.window_loss / tally.window_steps,
                learning_rate=self._rate,
                tokens_per_second=tokens / seconds if seconds > 0 else None,
                seconds_left=seconds / tally.window_steps * (state.max_steps - state.global_step),
            )
        )
        tally.window_loss, tally.window_steps = 0.0, 0
        self._window = (tally.seconds, tally.tokens)
