"""Whether the statistics keep their word, on simulated models of known accuracy.

    python benchmarks/evaluation_statistics.py [--simulations 2000] [--seed 0]

1. How often Wilson's interval holds the true accuracy; 95 % is promised.
2. How often McNemar's test calls two equally good models different; at most 5 % is promised.
3. How often the planned number of questions decides; 80 % is promised.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from nls_sdk.evaluation.statistics import (
    LEVEL,
    POWER,
    Decision,
    mcnemar,
    pairs_needed,
    questions_needed,
    wilson,
)

ACCURACIES = (0.60, 0.70, 0.80, 0.90, 0.95)
QUESTIONS = (50, 108, 500)
TARGETS = ((0.60, 0.70), (0.80, 0.70), (0.75, 0.70), (0.98, 0.95), (0.90, 0.95))
APART = ((0.15, 0.05), (0.10, 0.05), (0.24, 0.04))
ALIKE = ((50, 0.05), (108, 0.10), (108, 0.20), (500, 0.10), (1000, 0.05))


def share(simulations: int, happens: Callable[[], bool]) -> float:
    """How often it happens."""
    return sum(happens() for _ in range(simulations)) / simulations


def covered(rng: np.random.Generator, accuracy: float, questions: int) -> bool:
    """Whether one simulated evaluation's interval holds the true accuracy."""
    return accuracy in wilson(int(rng.binomial(questions, accuracy)), questions)


def told_apart(rng: np.random.Generator, better: float, worse: float, questions: int) -> bool:
    """Whether one simulated comparison is significant."""
    one, other, _ = rng.multinomial(questions, [better, worse, 1 - better - worse])
    return mcnemar(int(one), int(other)) <= 1 - LEVEL


def decided(rng: np.random.Generator, accuracy: float, target: float, questions: int) -> bool:
    """Whether one simulated evaluation decides on the target, and decides rightly."""
    decision = wilson(int(rng.binomial(questions, accuracy)), questions).at_least(target)
    return decision is (Decision.PASS if accuracy >= target else Decision.FAIL)


def main() -> None:
    """Simulate, and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    rng, times = np.random.default_rng(wanted.seed), wanted.simulations

    print(f"Intervals that hold the true accuracy, of {times}; promised {LEVEL:.0%}")
    drawn = share(times, lambda: covered(rng, rng.uniform(0.5, 0.99), int(rng.integers(30, 1000))))
    print(f"  any accuracy from 50 to 99 %, any number from 30 to 1000: {drawn:.2%}")
    for accuracy in ACCURACIES:
        cells = [
            f"n={n}: {share(times, lambda n=n, a=accuracy: covered(rng, a, n)):.2%}"  # type: ignore[misc]
            for n in QUESTIONS
        ]
        print(f"  accuracy {accuracy:.0%}: {', '.join(cells)}")

    print(f"McNemar's false alarms, of {times}; promised at most {1 - LEVEL:.0%}")
    for n, each in ALIKE:
        alarms = share(times, lambda n=n, each=each: told_apart(rng, each, each, n))  # type: ignore[misc]
        print(f"  n={n}, either alone right on {each:.0%}: {alarms:.2%}")

    print(f"Planned numbers that decide rightly, of {times}; promised {POWER:.0%}")
    for accuracy, target in TARGETS:
        planned = questions_needed(accuracy, target)
        assert planned is not None
        hits = share(times, lambda a=accuracy, t=target, n=planned: decided(rng, a, t, n))  # type: ignore[misc]
        print(f"  accuracy {accuracy:.0%}, target {target:.0%}: n={planned}: {hits:.2%}")
    for better, worse in APART:
        planned = pairs_needed(better, worse)
        assert planned is not None
        hits = share(times, lambda b=better, w=worse, n=planned: told_apart(rng, b, w, n))  # type: ignore[misc]
        print(f"  only one right on {better:.0%}, only the other on {worse:.0%}: n={planned}: {hits:.2%}")


if __name__ == "__main__":
    main()
