"""Whether a training that was killed ends as an undisturbed one, beside whether two undisturbed ones do.

    python benchmarks/train_resume.py [MODEL_FOLDER] [--steps 60] [--kills 2] [--device auto] [--dropout 0.1]

Trains the model, by default the local provider's tiny base, on generated questions: twice undisturbed, and
once killed (SIGKILL) and started again so many times, each by a worker process of its own, all at once.
Prints each step's loss, how far apart the losses are, and the adapters' digests. Exits with 1 when the killed
one is further from the first than the second is. With dropout it is TRL's own step that trains.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

from nls_sdk import Recipe
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.events import Event, Failed, Log, Progress, Succeeded, load_event
from nls_sdk.rundir import RunDirectory
from nls_sdk.synthetic import write
from nls_sdk.tasks import Train
from nls_sdk_local.tiny import tiny_base


@frozen
class End:
    """What a training came to.

    Attributes:
        losses: Of each step; of one that was trained again after a kill, the last.
        digest: Of the adapter.
    """

    losses: dict[int, float]
    digest: str


class Workers:
    """Starts workers on tasks of one home folder."""

    def __init__(self, home: Path, device: str) -> None:
        self._home, self._device = home, device

    def store(self, path: Path) -> Artifact:
        """A file or folder below the home folder, as a task names it."""
        return Artifact(path.relative_to(self._home).as_posix(), *fingerprint(path))

    def events(self, task: Train, *, until: int = 0) -> Iterator[Event]:
        """What a worker tells until it ends, or until a step's loss is told: then it is killed."""
        RunDirectory(self._home, task.run_id).write_task(task)
        command = [sys.executable, "-m", "nls_sdk.worker", "--home", str(self._home)]
        process = subprocess.Popen(
            [*command, "--device", self._device, task.run_id], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                event = load_event(line)
                yield event
                if until and isinstance(event, Progress) and event.step >= until:
                    process.kill()

    def train(self, task: Train, kills: list[int]) -> End:
        """Train to the end, killed whenever one of these steps is done."""
        losses = {}
        for until in [*kills, 0]:
            for event in self.events(task, until=until):
                match event:
                    case Progress(step=step, loss=loss):
                        losses[step] = loss or 0.0
                    case Log(text=text) if task.name == "killed":
                        print(f"{task.name}: {text}", flush=True)
                    case Failed(message=message):
                        raise SystemExit(f"{task.name}: {message}")
                    case Succeeded(outputs=outputs):
                        return End(losses, outputs["adapter"].digest)
        raise SystemExit(f"{task.name}: the worker ended without a word")


def apart(one: End, other: End) -> float:
    """The greatest relative difference of two trainings' losses."""
    assert one.losses.keys() == other.losses.keys()
    return max(abs(loss - other.losses[step]) / loss for step, loss in one.losses.items())


def main() -> int:
    """Train three times and compare. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, nargs="?", default=tiny_base())
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    steps, kills = options.steps, options.kills
    moments = [steps * (1 + number) // (1 + kills) for number in range(kills)]
    # Between two checkpoints, so that some steps are trained again.
    recipe = Recipe(
        dtype="auto",
        lora_dropout=options.dropout,
        learning_rate=5e-3,
        max_steps=steps,
        checkpoint_steps=max(2, moments[0] - 3) if moments else steps,
        logging_steps=1,
    )
    with tempfile.TemporaryDirectory(prefix="nls-resume-") as folder:
        workers = Workers(Path(folder), options.device)
        (artifacts := Path(folder) / "artifacts").mkdir()
        (artifacts / "base").symlink_to(options.model.absolute())
        train, _ = write(artifacts, train=max(400, 8 * steps // 3), val=2)
        base, data = workers.store(artifacts / "base"), workers.store(train)
        plans = {"undisturbed": [], "again": [], "killed": moments}
        with ThreadPoolExecutor() as pool:
            ends = pool.map(
                lambda name: workers.train(
                    Train(name=name, base=base, data=data, recipe=recipe), plans[name]
                ),
                plans,
            )
            calm, again, killed = ends
    print(f"killed after steps {', '.join(map(str, moments))}; checkpoints every {recipe.checkpoint_steps}")
    print("| step | undisturbed | again | killed |")
    print("|------|-------------|-------|--------|")
    for step, loss in calm.losses.items():
        print(f"| {step:4} | {loss:.9f} | {again.losses[step]:.9f} | {killed.losses[step]:.9f} |")
    print(f"adapters: undisturbed {calm.digest[:12]}, again {again.digest[:12]}, killed {killed.digest[:12]}")
    noise, difference = apart(calm, again), apart(calm, killed)
    print(f"two undisturbed trainings are {noise:.2e} apart at most, the killed one {difference:.2e}")
    same = again.digest == calm.digest
    right = killed.digest == calm.digest if same else difference <= 2 * noise
    print("to the bit" if right and same else "as near as two undisturbed ones" if right else "NOT the same")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
