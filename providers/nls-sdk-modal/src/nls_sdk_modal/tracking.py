"""Progress for Weights & Biases, where its key and its package are both there; the run's log says which."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from nls_sdk.events import Event, Log, Progress
from nls_sdk.tasks import Task, Train

Track = Callable[[Progress], None]
_KEY = "WANDB_API_KEY"


def open_tracker(task: Task, environment: Mapping[str, str], tell: Callable[[Event], None]) -> Track:
    """Where a training's progress goes to, besides its log.

    Args:
        task: What is run; only trainings are tracked.
        environment: Holds WANDB_API_KEY where `wandb-secret` is there.
        tell: Told what is done.
    """
    if not isinstance(task, Train) or not environment.get(_KEY):
        return lambda progress: None
    try:
        import wandb  # pyright: ignore[reportMissingImports]  # only where its user has it
    except ImportError:
        tell(Log("wandb-secret is there, but the image has no wandb: progress is not sent"))
        return lambda progress: None
    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "nls-finetune"),
            name=task.name,
            id=task.key[:16],
            resume="allow",
        )
    except Exception as error:
        tell(Log(f"wandb cannot be reached, progress is not sent: {type(error).__name__}"))
        return lambda progress: None
    tell(Log("progress goes to wandb too"))

    def track(progress: Progress) -> None:
        figures = {"loss": progress.loss, "learning_rate": progress.learning_rate}
        run.log({k: v for k, v in figures.items() if v is not None}, step=progress.step)

    return track
