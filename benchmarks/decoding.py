"""What each level of decoding is worth: ``python benchmarks/decoding.py URL [--questions 2000]``.

Asks a live endpoint questions of the synthetic generator and, one in ten, questions that mean nothing.
For each level: answers that Sourcegraph would refuse, answers whose operators match or that are equivalent to
what is expected (of the questions that mean something), answers that were asked for again, and the latency.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence

from nls_sdk import Endpoint, NlsError, Translation
from nls_sdk.metrics import semantic_match
from nls_sdk.safe_decoding import LEVELS, fault_of
from nls_sdk.sourcegraph import QueryError, equivalent
from nls_sdk.synthetic import generate

_SCRAPS = [
    "((",
    "repo:[",
    '"',
    "lang:",
    "\N{SNOWMAN}",
    "or or",
    "/",
    "\\",
    "-",
    "asdf",
    "NOT",
    "patterntype:x",
]


def nonsense(count: int, seed: int = 0) -> list[str]:
    """Questions that mean nothing, much of them broken syntax."""
    chance = random.Random(seed)
    letters = "qwertyuiopasdfghjkl"
    return [
        " ".join(
            chance.choice(_SCRAPS) if chance.random() < 0.5 else "".join(chance.choices(letters, k=6))
            for _ in range(chance.randint(1, 12))
        )
        + f" {i}"
        for i in range(count)
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--model", default="llm")
    parser.add_argument("--api-key-env", help="the variable that holds the key")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    key = os.environ[options.api_key_env] if options.api_key_env else None
    endpoint = Endpoint(options.url, api_key=key, model=options.model, max_tokens=96)
    rows = generate(train=1, val=options.questions - options.questions // 10)[1]
    expected = {row["messages"][1]["content"]: row["messages"][2]["content"] for row in rows}
    asked = [*expected, *nonsense(options.questions // 10)]
    random.Random(0).shuffle(asked)
    print("| decoding | refused | match | equivalent | asked again | p50 ms | p95 ms | failed |")
    print("|---|---|---|---|---|---|---|---|")
    for level in LEVELS:
        found = list(endpoint.translate_many(asked, concurrency=options.concurrency, decoding=level))
        print(f"| {level} | {' | '.join(_figures(asked, found, expected))} |", flush=True)


def _figures(
    asked: Sequence[str], found: Sequence[Translation | NlsError], expected: dict[str, str]
) -> list[str]:
    answers = [(q, a) for q, a in zip(asked, found, strict=True) if isinstance(a, Translation)]
    meant = [(expected[q], str(a)) for q, a in answers if q in expected]
    times = sorted(1000 * (a.seconds or 0) for _, a in answers)
    refused = sum(fault_of(str(a)) is not None for _, a in answers)
    match = sum(bool(semantic_match(wanted, got)) for wanted, got in meant)
    same = sum(_equivalent(wanted, got) for wanted, got in meant)
    again = sum(a.fault is not None for _, a in answers)
    return [
        f"{refused} of {len(answers)}",
        f"{match / len(meant):.1%}",
        f"{same / len(meant):.1%}",
        str(again),
        f"{times[len(times) // 2]:.0f}",
        f"{times[int(0.95 * len(times))]:.0f}",
        str(len(found) - len(answers)),
    ]


def _equivalent(one: str, other: str) -> bool:
    try:
        return equivalent(one, other)
    except QueryError:
        return False


if __name__ == "__main__":
    main()
