"""Kill -9 a training at random moments, and see whether it comes to the same end as one that nobody disturbs.

    python benchmarks/kills.py [--kills 10] [--seed 0] [--dropout 0.1]

Each kill hits the worker or its supervisor, anywhere between the start and the last step; the run must then
end as Failed, and leave no process. The same task is submitted again until it succeeds. Exits with 1
when an end differs. With dropout it is TRL's own step that trains, without it the lean one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from attrs import evolve

from nls_sdk import Dataset, Recipe
from nls_sdk.events import Failed, Progress, Succeeded
from nls_sdk.models import push_base
from nls_sdk.providers import ENDED, RunRecord
from nls_sdk.tasks import Train
from nls_sdk.testing import make_random_model
from nls_sdk.training import push_dataset
from nls_sdk_local import LocalProvider
from nls_sdk_local.process import processes_of

WORDS = ("cats", "dogs", "owls", "eels", "bees", "ants", "bats", "cows")
RECIPE = Recipe(dtype="float32", learning_rate=1e-2, max_steps=60, logging_steps=5, checkpoint_steps=5)


def record(provider: LocalProvider, task: Train) -> RunRecord:
    """The run's record."""
    return next(record for record in provider.runs() if record.run_id == task.run_id)


def finish(provider: LocalProvider, task: Train) -> tuple[float, float, str]:
    """Wait for the end: seconds, the last loss, the adapter's digest."""
    begun = time.monotonic()
    provider.submit(task)
    while (found := record(provider, task)).state not in ENDED:
        time.sleep(0.1)
    assert isinstance(found.end, Succeeded), found.end
    losses = [event.loss for event in provider.events(task.run_id) if isinstance(event, Progress)]
    return time.monotonic() - begun, losses[-1] or 0.0, found.end.outputs["adapter"].digest


def kill(provider: LocalProvider, task: Train, seconds: float, numbers: random.Random) -> bool:
    """Start the task and kill one of its processes after a time; whether that ended it as Failed."""
    provider.submit(task)
    time.sleep(seconds)
    run = provider.home / "runs" / task.run_id
    victims = processes_of(run)[:2]
    if not victims:
        return False
    victim = numbers.choice(victims)
    who = "supervisor" if victim == victims[0] else "worker"
    victim.kill()
    while (found := record(provider, task)).state not in ENDED:
        time.sleep(0.02)
    deadline = time.monotonic() + 10
    while processes_of(run):
        assert time.monotonic() < deadline, f"left behind: {processes_of(run)}"
        time.sleep(0.02)
    step = found.progress.step if found.progress else 0
    said = found.end.message if isinstance(found.end, Failed) else "it had succeeded"
    print(f"{task.name}: {who} killed at {seconds:4.1f} s, after step {step}: {said}", flush=True)
    return isinstance(found.end, Failed)


def main() -> int:
    """Run it and print what happened. Returns the exit code: 1 when an end differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dropout", type=float, default=0.0)
    options = parser.parse_args()
    # One thread: a model this small gains nothing by two, and on a busy machine they wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    numbers = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="nls-kills-") as folder:
        provider = LocalProvider(Path(folder) / "home")
        base = push_base(provider, str(make_random_model(Path(folder) / "model")))
        pairs = [(f"find {a} near {b}", f"{a} AND {b}") for a in WORDS for b in WORDS]
        data = push_dataset(provider, Dataset.from_pairs(pairs))
        recipe = evolve(RECIPE, lora_dropout=options.dropout)
        calm = Train(name="calm", base=base, data=data, recipe=recipe)
        seconds, loss, digest = finish(provider, calm)
        print(f"undisturbed: {seconds:.1f} s, last loss {loss!r}, adapter {digest[:12]}")
        kills, same = 0, True
        for number in range(1, 1 + options.kills):
            task = evolve(calm, name=f"killed-{number}")
            while kills < options.kills and kill(provider, task, numbers.uniform(0, seconds), numbers):
                kills += 1
            _, other_loss, other_digest = finish(provider, task)
            same = same and (loss, digest) == (other_loss, other_digest)
            print(f"{task.name}: last loss {other_loss!r}, adapter {other_digest[:12]}", flush=True)
            if kills == options.kills:
                break
    print(f"{kills} kills; {'every run came to the same end' if same else 'a run came to ANOTHER end'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
