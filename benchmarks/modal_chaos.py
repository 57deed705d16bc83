"""The whole job at a loopback Modal, again and again, under random faults.

    python benchmarks/modal_chaos.py --runs 100 --seed 1

Each run trains, merges, deploys, evaluates and stops, while its seed decides what goes wrong: RPCs are
refused, their streams dropped or their answers lost, block transfers fail, commits are slow, torn or fail,
containers are preempted (SIGINT and a grace period) or killed, clocks disagree. The worker is the tests'
quick one, without torch: each of its steps is a hash of the one before, so that a step lost or done twice
changes the result. All else is real: the provider, Modal's client, Modal's container runtime.

A fault comes at a count, not at a time: the nth request of one RPC by one sender, the nth event of a
container, the nth question to an endpoint. Left to chance are the order of what threads do at the same time,
at what point of a job its nth poll falls, and what was committed when a container is taken away.

A run is `right` when its answers are those of an undisturbed run, `error` when a stage ended with an error of
nls_sdk's own (the stage is then started once more without faults, and must end right), and `wrong` otherwise.
Left behind is whatever container still lives once it was stopped. `--only SEED` prints a seed's plan and runs
it again, `--times N` times.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field, frozen

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


@frozen
class Plan:
    """What goes wrong in one run; nothing else decides it than the seed.

    Attributes:
        rules: Commits that go wrong, in order.
        ambushes: Containers that are taken away, each when it has told so many events or been asked so often.
        rate: The share of requests to Modal that go wrong. Which ones follows from the seed, the sender, the
            RPC and how many of those came before.
        http_rate: The same, of block transfers.
        clock_skew: Seconds by which the containers' clocks are wrong.
        grace: Seconds that a container has after SIGINT.
    """

    rules: list[dict[str, Any]]
    ambushes: list[dict[str, Any]]
    rate: float
    http_rate: float
    clock_skew: float
    grace: float

    @classmethod
    def of(cls, seed: int) -> Plan:
        """The plan of a seed."""
        dice = random.Random(seed)
        kinds = ["slow", "torn", "lost", "unavailable"]
        rules = [
            {"rpc": "VolumeCommit", "kind": dice.choice(kinds), "seconds": 0.5}
            for _ in range(dice.randrange(4))
        ]
        moments = [{"function": "train", "events": n} for n in range(1, STEPS + 1)]
        moments += [{"function": "merge", "events": 1}]
        moments += [{"function": "vllm_serve", "requests": n} for n in range(1, QUESTIONS + 1)]
        ambushes = [
            {**moment, "how": dice.choice(["preempt", "kill"])}
            for moment in dice.sample(moments, dice.randrange(4))
        ]
        return cls(
            rules,
            ambushes,
            rate=dice.choice([0.0, 0.03, 0.08]),
            http_rate=dice.choice([0.0, 0.05]),
            clock_skew=dice.choice([0.0, 0.0, -3600.0, 900.0]),
            grace=dice.choice([0.5, 5.0]),
        )


class Trouble:
    """Lets a plan loose, and calls it off."""

    def __init__(self, modal: Any, seed: int, outcome: Outcome) -> None:
        self._modal, self._seed, self._outcome = modal, seed, outcome

    @contextlib.contextmanager
    def brewing(self) -> Iterator[None]:
        """Make trouble while the block runs."""
        plan = Plan.of(self._seed)
        self._modal.settings(clock_skew=plan.clock_skew, grace=plan.grace)
        self._modal.faults(
            *plan.rules,
            ambushes=plan.ambushes,
            rate=plan.rate,
            http_rate=plan.http_rate,
            seed=self._seed,
        )
        try:
            yield
        finally:
            self.calm()

    def calm(self) -> None:
        """No more of it."""
        self._outcome.struck.update(self._modal.state()["struck"])
        self._modal.faults()
        self._modal.settings(clock_skew=0.0)


def run_once(modal: Any, seed: int, place: str) -> Outcome:
    """One whole job under the faults of a seed, with apps and a Volume of that place."""
    from places import make_provider

    outcome, begun = Outcome(seed), time.monotonic()
    provider = make_provider(app=f"jobs-{place}", serve_app=f"serve-{place}", volume=f"runs-{place}")
    trouble = Trouble(modal, seed, outcome)
    data = Dataset.from_pairs([(f"question {seed} {i}", "lang:go") for i in range(QUESTIONS)])
    recipe = Recipe(max_steps=STEPS, checkpoint_steps=2, seed=seed)
    stored = push_dataset(provider, data)
    task = Train(name="steady", base="some/model", data=stored, recipe=recipe)

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
        if states != {"steady.train": "succeeded", "steady.merge": "succeeded", "steady.serve": "cancelled"}:
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
    while (left := _left(modal, place)) and time.monotonic() < deadline:
        time.sleep(0.2)
    outcome.left = left
    outcome.seconds = time.monotonic() - begun
    return outcome


def _left(modal: Any, place: str) -> int:
    return sum(len(modal.containers(app=f"{kind}-{place}")) for kind in ("jobs", "serve"))


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each next has one more")
    parser.add_argument("--only", type=int, help="run this seed alone")
    parser.add_argument("--times", type=int, default=1, help="how often, with --only")
    options = parser.parse_args()
    seeds = [*range(options.seed, options.seed + options.runs)]
    if options.only is not None:
        seeds = [options.only] * options.times
        print(Plan.of(options.only), flush=True)
    from loopback.client import running, signed_in
    from places import QUICK_WORKER

    outcomes = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as modal, signed_in(modal):
        modal.secret("huggingface-secret", HF_TOKEN="hf_loopback")
        modal.settings(overlay=str(QUICK_WORKER))
        for number, seed in enumerate(seeds):
            outcome = run_once(modal, seed, f"{seed}-{number}")
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
