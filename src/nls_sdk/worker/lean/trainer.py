"""TRL's trainer with the lean step in place of its own."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from ...errors import RunFailed
from ...events import Log
from ...recipe import Recipe
from ..trainer import AdapterTrainer
from .batch import Batch, Shape, shared_start
from .decoder import PROJECTIONS, unfit
from .loader import Packer, StepLoader
from .loss import CHUNK
from .means import Means, choose
from .memory import MOST_TOKENS, SMALLER, Memory, key_bytes, most_tokens, predict, token_bytes
from .optimizer import StepEnd
from .step import LeanStep

_SHARE = 0.9
"""Of the GPU's free memory, what is planned with."""


def why_not_lean(model: Any, recipe: Recipe) -> str | None:
    """Why the lean step cannot train a model by a recipe; None when it can."""
    if recipe.lora_dropout:
        return "lora_dropout is not 0"
    if recipe.gradient_checkpointing:
        return "gradient_checkpointing is set"
    others = {*recipe.layers} - {"all-linear", *PROJECTIONS}
    if others:
        return f"target_modules names {', '.join(sorted(others))}"
    return unfit(model)


class LeanTrainer(AdapterTrainer):
    """`AdapterTrainer` that takes a whole optimizer step's examples at once, through the lean step.

    Everything around the step is TRL's: the loop, the schedule, checkpoints, callbacks. It wants a
    configuration whose batch is the recipe's effective one.
    """

    _step: LeanStep
    _means: Means
    _packer: Packer
    _memory: Memory | None = None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Flatten the adapter, which is loaded by now, and make the optimizer of it."""
        peft: Any = self.model
        args = self.args
        self._step = LeanStep(peft.get_base_model(), self._means)
        self.optimizer = StepEnd(
            self._step.adapter,
            max_norm=args.max_grad_norm,
            recorded=self._step.means.graphs,
            lr=args.learning_rate,
            betas=(args.adam_beta1, args.adam_beta2),
            eps=args.adam_epsilon,
            weight_decay=args.weight_decay,
        )
        started = time.monotonic()
        self._step.prepare(self._packer.shapes)
        if self._packer.shapes:
            seconds = time.monotonic() - started
            self._meter.tell(Log(f"prepared {len(self._packer.shapes)} shapes of batches in {seconds:.1f} s"))
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The schedule; it is made when the model has been wrapped for the processes that share it."""
        self._step.adapter.attach()
        return super().create_scheduler(num_training_steps, optimizer)

    def get_train_dataloader(self) -> StepLoader:
        """The examples of a step at a time."""
        step_size = self._recipe.effective_batch_size
        peft: Any = self.model
        self._means, reasons = choose(peft.device, peft.get_base_model().dtype, self._recipe)
        for reason in reasons:
            self._meter.tell(Log(f"training without {reason}"))
        self._packer = Packer(
            most_tokens=self._most_tokens(),
            # A GPU's free memory is known; a CPU's is anyone's.
            most_rows=step_size if peft.device.type == "cuda" else self._recipe.per_device_batch_size,
            shared=shared_start(self._rows) if self._means.shared else 0,
            rank=self.args.process_index,
            world=self.args.world_size,
        )
        if self._means.graphs:
            self._packer.plan(self._rows, self._sampler, step_size, math.ceil(self._epochs()))
        if self._packer.shapes:
            self._memory = self._predicted(self._packer.shapes[-1])
            self._meter.predicted = self._memory.total
            self._meter.tell(Log(f"the GPU will hold {self._memory}"))
        return StepLoader(self._rows, self._sampler, step_size, self._packer)

    def _out_of_memory(self, numbers: str) -> RunFailed:
        return RunFailed(
            f"The GPU ran out of memory{numbers}; the training was to hold "
            f"{self._memory or 'what was free'}.",
            hint="A step's examples go through the GPU as far as its free memory lets them at once, so "
            "another program has taken some since: start again under the same name, in batches for what is "
            f"free now, or end that program first. {SMALLER}",
        )

    def _most_tokens(self) -> int:
        """What one batch may hold: what the GPU has room for, up to what keeps it busy.

        Raises:
            RunFailed: There is no room for the longest example.
        """
        peft: Any = self.model
        if peft.device.type != "cuda":
            return MOST_TOKENS
        fixed = self._predicted(Shape(0, CHUNK, 0, 0))
        torch.cuda.empty_cache()  # What torch keeps for later would count as taken.
        free, _ = torch.cuda.mem_get_info(peft.device)
        room = int(_SHARE * free) - fixed.adapter - fixed.logits
        each = sum(
            of(peft.config, self._means, peft.get_base_model().dtype) for of in (token_bytes, key_bytes)
        )
        return most_tokens(room, each, longest=max(len(row.tokens) for row in self._rows))

    def _predicted(self, largest: Shape) -> Memory:
        """What the training will hold on its GPU, with batches up to a shape."""
        peft: Any = self.model
        return predict(
            peft.config,
            weights=sum(p.nbytes for p in peft.parameters() if not p.requires_grad),
            trained=sum(p.numel() for p in peft.parameters() if p.requires_grad),
            shape=largest,
            means=self._means,
            dtype=peft.get_base_model().dtype,
        )

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of a whole step. Returns its loss."""
        losses = []
        batches: list[Batch] = inputs
        if not batches:  # A step with fewer examples than processes.
            nothing = torch.zeros((), device=self.args.device)
            self._meter.count(0, 0, nothing)
            return nothing
        for batch in batches:
            loss = self._step(batch)
            self._meter.count(batch.examples, batch.trained, loss)
            losses.append(loss)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted here: transformers walks through the whole model for it, at every step."""
        return 0

    def _epochs(self) -> float:
        steps = math.ceil(len(self._rows) / self._recipe.effective_batch_size)
        return self._recipe.max_steps / steps if self._recipe.max_steps else self._recipe.epochs

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        """Clip nothing: the optimizer does."""
        return torch.zeros(())

    def _get_num_items_in_batch(self, batch_samples: Any, device: Any) -> None:
        """Each batch knows its step's answer tokens."""
