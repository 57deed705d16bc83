"""The whole job at a loopback Modal, again and again, under random faults.

    python benchmarks/modal_chaos.py --runs 100 --seed 1

Each run trains, merges, deploys, evaluates and stops, while its seed decides what goes wrong: RPCs are
refused or their streams dropped, block transfers fail, commits are slow, torn or fail, containers are
preempted (SIGINT and a grace period) or killed, clocks disagree. The worker is the tests' quick one, without
torch: each of its steps is a hash of the one before, so that a step lost or done twice changes the result.
All else is real: the provider, Modal's client, Modal's container runtime.

A run is `right` when its answers are those of an undisturbed run, `error` when a stage ended with an error of
nls_sdk's own (the stage is then started once more without faults, and must end right), and `wrong` otherwise.
Left behind is whatever container still lives once it was stopped. `--only SEED` runs one seed again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from nls_sdk import Dataset, Evaluator
from nls_sdk.errors import NlsError
from nls_sdk.models import Adapter
from nls_sdk.recipe import Recipe
from nls_sdk.retry import retry
from nls_sdk.tasks import Train
from nls_sdk.training import push_dataset, train_run

TESTS = Path(__file__).parents[1] / "providers" / "nls-sdk-modal" / "tests"
sys.path.insert(0, str(TESTS))
STEPS, QUESTIONS = 8, 4
T = TypeVar("T")


@define
class Outcome:
    """How one run went.

    Attributes:
        seed: What decided its faults.
        verdict: `right`, `error` or `wrong`.
        said: The errors, or what was wrong.
        struck: Faults by their kind.
        left: Containers that outlived it.
        seconds: How long it took.
    """

    seed: int
    verdict: str = "right"
    said: list[str] = field(factory=list)
    struck: Counter[str] = field(factory=Counter)
    left: int = 0
    seconds: float = 0.0


def expected_answers(train: Train, questions: list[str]) -> list[str]:
    """What the quick worker's model answers where nothing goes wrong."""
    state = train.key
    for step in range(1, STEPS + 1):
        state = _sha(f"{state}{step}/{STEPS}")
    model = _sha(state)
    return [f"repo:{_sha(model + question)[:12]}" for question in questions]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Trouble:
    """What goes wrong in one run, decided by its seed."""

    def __init__(self, modal: Any, seed: int, outcome: Outcome) -> None:
        self._modal, self._dice, self._outcome = modal, random.Random(seed), outcome
        self._calm = threading.Event()

    @contextlib.contextmanager
    def brewing(self) -> Iterator[None]:
        """Make trouble while the block runs."""
        dice = self._dice
        commits = [
            {"rpc": "VolumeCommit", "kind": dice.choice(["slow", "torn", "unavailable"]), "seconds": 0.5}
            for _ in range(dice.randrange(4))
        ]
        self._modal.settings(
            clock_skew=dice.choice([0.0, 0.0, -3600.0, 900.0]), grace=dice.choice([0.5, 5.0])
        )
        self._modal.faults(
            *commits,
            rate=dice.choice([0.0, 0.03, 0.08]),
            http_rate=dice.choice([0.0, 0.05]),
            seed=dice.randrange(10**6),
        )
        thread = threading.Thread(target=self._disturb, args=(dice.randrange(3),), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.calm()
            thread.join()

    def calm(self) -> None:
        """No more of it."""
        self._calm.set()
        with contextlib.suppress(Exception):
            self._outcome.struck.update(self._modal.state()["struck"])
        self._modal.faults()
        self._modal.settings(clock_skew=0.0)

    def _disturb(self, times: int) -> None:
        """Take containers away, a few times."""
        for _ in range(times):
            if self._calm.wait(self._dice.uniform(0.5, 5.0)):
                return
            how = self._dice.choice(["preempt", "kill"])
            with contextlib.suppress(Exception):  # None may live just now.
                getattr(self._modal, how)()
                self._outcome.struck[how] += 1


def run_once(modal: Any, seed: int) -> Outcome:
    """One whole job under the faults of a seed."""
    from places import make_provider

    outcome, begun = Outcome(seed), time.monotonic()
    provider = make_provider(app=f"jobs-{seed}", serve_app=f"serve-{seed}", volume=f"runs-{seed}")
    trouble = Trouble(modal, seed, outcome)
    data = Dataset.from_pairs([(f"question {seed} {i}", "lang:go") for i in range(QUESTIONS)])
    recipe = Recipe(max_steps=STEPS, checkpoint_steps=2, seed=seed)
    stored = push_dataset(provider, data)
    task = Train(name="slow", base="some/model", data=stored, recipe=recipe)

    def stage(name: str, do: Callable[[], T]) -> T:
        try:
            return do()
        except NlsError as error:
            outcome.verdict = "error"
            outcome.said.append(f"{name}: {type(error).__name__}: {error.message.splitlines()[0][:100]}")
            trouble.calm()
            return do()

    def train() -> Adapter:
        return train_run(provider, retry(lambda: provider.submit(task)), task).result()

    try:
        with trouble.brewing():
            adapter = stage("train", train)
            model = stage("merge", lambda: adapter.merge().result())
            endpoint = stage("deploy", lambda: model.deploy(detached=True))
            results = stage("evaluate", lambda: Evaluator(data).run(endpoint))
            if any(row.error for row in results.rows):
                outcome.verdict = "error"
                outcome.said += [f"evaluate: {row.error}" for row in results.rows if row.error][:1]
                trouble.calm()
                results = Evaluator(data).run(endpoint)
            stage("stop", endpoint.stop)
        answers = [row.actual for row in results.rows]
        if answers != expected_answers(task, [example.question for example in data]):
            outcome.verdict = "wrong"
            outcome.said.append(f"answers {answers}")
        states = {record.run_id: record.state for record in retry(provider.runs)}
        if states != {"slow.train": "succeeded", "slow.merge": "succeeded", "slow.serve": "cancelled"}:
            outcome.verdict = "wrong"
            outcome.said.append(f"states {states}")
    except Exception as error:
        outcome.verdict = "wrong"
        outcome.said.append(f"{type(error).__name__}: {str(error)[:200]}")
        with contextlib.suppress(NlsError):
            trouble.calm()
            for record in provider.runs():
                provider.cancel(record.run_id)
    deadline = time.monotonic() + 10
    while (left := _left(modal, seed)) and time.monotonic() < deadline:
        time.sleep(0.2)
    outcome.left = left
    outcome.seconds = time.monotonic() - begun
    return outcome


def _left(modal: Any, seed: int) -> int:
    apps = (f"jobs-{seed}", f"serve-{seed}")
    return len([c for c in modal.containers() if c["app"] in apps])


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each next has one more")
    parser.add_argument("--only", type=int, help="run this seed alone")
    options = parser.parse_args()
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.runs)
    from loopback.client import running, signed_in

    outcomes = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as modal, signed_in(modal):
        modal.secret("huggingface-secret", HF_TOKEN="hf_loopback")
        modal.settings(overlay=str(TESTS / "quick_worker"))
        for seed in seeds:
            outcome = run_once(modal, seed)
            outcomes.append(outcome)
            struck = " ".join(f"{kind}={count}" for kind, count in sorted(outcome.struck.items()))
            print(
                f"{seed:5} {outcome.verdict:6} left={outcome.left} {outcome.seconds:5.1f} s  {struck}  "
                f"{'; '.join(outcome.said)}",
                flush=True,
            )
    _summarize(outcomes)
    if any(o.verdict == "wrong" or o.left for o in outcomes):
        raise SystemExit(1)


def _summarize(outcomes: list[Outcome]) -> None:
    verdicts, struck = Counter(o.verdict for o in outcomes), Counter[str]()
    for outcome in outcomes:
        struck.update(outcome.struck)
    print(f"\n{len(outcomes)} runs: " + ", ".join(f"{count} {name}" for name, count in verdicts.items()))
    print("faults: " + ", ".join(f"{count} {kind}" for kind, count in struck.most_common()))
    print(f"containers left behind: {sum(o.left for o in outcomes)}")


if __name__ == "__main__":
    main()
