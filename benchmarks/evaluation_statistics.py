"""Whether the statistics keep their word, on simulated models of known accuracy.

    python benchmarks/evaluation_statistics.py [--simulations 2000] [--seed 0]

1. How often Wilson's interval holds the true accuracy; 95 % is promised. Simulated, and beside other methods'
   without chance: the probability itself, at a random accuracy and number of questions, and cell by cell.
2. How often McNemar's test calls two equally good models different, repeats or not; at most 5 % is promised.
3. How often the planned number of questions decides; 80 % is promised.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from nls_sdk.evaluation.analysis import right_alone
from nls_sdk.evaluation.rows import Row
from nls_sdk.evaluation.statistics import (
    LEVEL,
    POWER,
    Decision,
    mcnemar,
    pairs_needed,
    questions_needed,
    wilson,
)

METHODS = {
    "wilson": "Wilson",
    "agresti_coull": "Agresti-Coull",
    "jeffreys": "Jeffreys",
    "beta": "Clopper-Pearson",
}
CELLS = [(accuracy, n) for accuracy in (0.60, 0.70, 0.80, 0.90, 0.95) for n in (50, 108, 500)]
TARGETS = ((0.60, 0.70), (0.80, 0.70), (0.75, 0.70), (0.98, 0.95), (0.90, 0.95))
APART = ((0.15, 0.05), (0.10, 0.05), (0.24, 0.04))
ALIKE = ((50, 0.05), (108, 0.10), (108, 0.20), (500, 0.10), (1000, 0.05))


def share(simulations: int, happens: Callable[[], bool]) -> float:
    """How often it happens."""
    return sum(happens() for _ in range(simulations)) / simulations


def drawn(rng: np.random.Generator) -> tuple[float, int]:
    """Any accuracy from 50 to 99 %, and any number of questions from 30 to 1,000."""
    return rng.uniform(0.5, 0.99), int(rng.integers(30, 1001))


def covered(rng: np.random.Generator, accuracy: float, questions: int) -> bool:
    """Whether one simulated evaluation's interval holds the true accuracy."""
    return accuracy in wilson(int(rng.binomial(questions, accuracy)), questions)


@cache
def ends(method: str, questions: int) -> tuple[Any, Any]:
    """The intervals of a method for each number of right answers."""
    low, high = proportion_confint(np.arange(questions + 1), questions, 1 - LEVEL, method)
    return low, high


def coverage(method: str, accuracy: float, questions: int) -> float:
    """The probability that a method's interval holds the true accuracy."""
    low, high = ends(method, questions)
    held = (low <= accuracy) & (accuracy <= high)
    return float(binom.pmf(np.arange(questions + 1), questions, accuracy)[held].sum())


def intervals(rng: np.random.Generator, times: int) -> None:
    """Print how often intervals hold the true accuracy."""
    print(f"Intervals that hold the true accuracy; promised {LEVEL:.0%}")
    simulated = share(times, lambda: covered(rng, *drawn(rng)))
    print(f"  Wilson, {times} simulations, 50 to 99 % right, 30 to 1,000 questions: {simulated:.2%}")
    draws = [drawn(rng) for _ in range(times)]
    for method, name in METHODS.items():
        each = np.array([coverage(method, *draw) for draw in draws])
        near = np.mean(np.abs(each - LEVEL) <= 0.01)
        cells = [coverage(method, *cell) for cell in CELLS]
        print(
            f"  {name:15}  mean {each.mean():.2%}, within a point of it {near:.0%} of the time; "
            f"n of 50, 108, 500 and 60 to 95 % right: {min(cells):.1%} to {max(cells):.1%}"
        )


def told_apart(rng: np.random.Generator, better: float, worse: float, questions: int) -> bool:
    """Whether one simulated comparison is significant."""
    one, other, _ = rng.multinomial(questions, [better, worse, 1 - better - worse])
    return mcnemar(int(one), int(other)) <= 1 - LEVEL


def told_apart_by_repeats(rng: np.random.Generator, questions: int, times: int) -> bool:
    """Whether two models whose chances are drawn alike are told apart, each question asked several times."""
    chances = rng.beta(0.3, 0.3, (2, 1, questions))
    hits = rng.random((2, times, questions)) < chances
    sides = [
        [
            Row(question=str(place), expected="", actual=str(hit))
            for row in side
            for place, hit in enumerate(row)
        ]
        for side in hits.tolist()
    ]
    one, other = right_alone(zip(*sides, strict=True), lambda row: row.actual == "True")
    return mcnemar(one, other) <= 1 - LEVEL


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

    intervals(rng, times)

    print(f"McNemar's false alarms, of {times}; promised at most {1 - LEVEL:.0%}")
    for n, each in ALIKE:
        alarms = share(times, partial(told_apart, rng, each, each, n))
        print(f"  n={n}, either alone right on {each:.0%}: {alarms:.2%}")

    alarms = share(times, partial(told_apart_by_repeats, rng, 50, 5))
    print(f"  n=50, each asked five times: {alarms:.2%}")

    print(f"Planned numbers that decide rightly, of {times}; promised {POWER:.0%}")
    for accuracy, target in TARGETS:
        planned = questions_needed(accuracy, target)
        assert planned is not None
        hits = share(times, partial(decided, rng, accuracy, target, planned))
        print(f"  accuracy {accuracy:.0%}, target {target:.0%}: n={planned}: {hits:.2%}")
    for better, worse in APART:
        planned = pairs_needed(better, worse)
        assert planned is not None
        hits = share(times, partial(told_apart, rng, better, worse, planned))
        print(f"  only one right on {better:.0%}, only the other on {worse:.0%}: n={planned}: {hits:.2%}")


if __name__ == "__main__":
    main()
