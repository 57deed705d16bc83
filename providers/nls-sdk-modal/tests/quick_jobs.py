"""Jobs with a worker that needs no torch: its result shows a step that went wrong."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from nls_sdk import Recipe
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.events import Cancelled, Event, Failed, Progress, Succeeded
from nls_sdk.retry import retry
from nls_sdk.tasks import Train
from nls_sdk_modal import ModalProvider


def training(provider: ModalProvider, folder: Path, name: str, steps: int = 12) -> Train:
    data = folder / "data.jsonl"
    data.write_text('{"messages": []}\n' * 10)
    recipe = Recipe(max_steps=steps, checkpoint_steps=2)
    return Train(name=name, base="some/model", data=retry(lambda: provider.push(data)), recipe=recipe)


def finish(provider: ModalProvider, run_id: str, *, seconds: float = 90.0) -> list[Event]:
    """All events, gathered as a client does, poll by poll; each comes once."""
    told: list[Event] = []
    deadline = time.monotonic() + seconds
    while not (told and isinstance(told[-1], Succeeded | Failed | Cancelled)):
        assert time.monotonic() < deadline, told
        after = told[-1].seq if told else 0
        told += retry(lambda after=after: provider.events(run_id, after=after))  # type: ignore[misc]  # a default is how it is bound
        time.sleep(0.1)
    assert [event.seq for event in told] == list(range(told[0].seq, told[0].seq + len(told)))
    assert [event.time for event in told] == sorted(event.time for event in told)
    return told


def adapter(told: list[Event]) -> Artifact:
    assert isinstance(told[-1], Succeeded), told
    return told[-1].outputs["adapter"]


def undisturbed(task: Train, folder: Path) -> str:
    """The digest of the adapter where nothing goes wrong: each step's state is a hash of the one before."""
    state, total = task.key, task.recipe.max_steps
    for step in range(1, total + 1):
        state = hashlib.sha256(f"{state}{step}/{total}".encode()).hexdigest()
    expected = folder / "expected"
    expected.mkdir(exist_ok=True)
    (expected / "weights").write_text(state)
    return fingerprint(expected)[0]


def steps_of(told: list[Event]) -> list[int]:
    return [event.step for event in told if isinstance(event, Progress)]
