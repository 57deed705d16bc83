"""How fast `nls_sdk.sourcegraph` reads and checks.

    python benchmarks/language_speed.py [CASES.jsonl.gz]

Times are of the processor (one core), not of the clock, so that a busy machine hurts less; every query is
read anew, only single values (a regular expression, a language) are remembered. Without a file the queries
are the synthetic generator's own.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

from nls_sdk.sourcegraph import QueryError, canonical, lint, parse, validate

MEGABYTE = 1 << 20
LONG = {
    "words": "foo bar " * (MEGABYTE // 8),
    "filters": "repo:^a\\.b$ " * (MEGABYTE // 12),
    "calls": "foo(a b) " * (MEGABYTE // 9),
    "quotes": '"a b" ' * (MEGABYTE // 6),
    "regexes": "/a.b/ " * (MEGABYTE // 6),
    "alternatives": "foo OR bar AND " * (MEGABYTE // 15) + "x",
    "open parentheses": "foo( " * (MEGABYTE // 5),
    "open quotes": '"a' * (MEGABYTE // 2),
    "one word": "a" * MEGABYTE,
}


def main() -> None:
    """Prints queries per second, and seconds per megabyte."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    calls: dict[str, Callable[[str], object]] = {
        "parse": _parse,
        "parse + validate": validate,
        "lint": lint,
        "canonical": _canonical,
    }
    for name, queries in _queries(options.cases).items():
        for what, call in calls.items():
            best = min(_time(call, queries) for _ in range(options.repeats))
            print(f"{name:<12} {what:<18} {len(queries) / best:>10,.0f} queries/s")
    for name, text in LONG.items():
        print(f"1 MB of {name:<18} {_time(validate, [text]):6.2f} s parse + validate")
    for name, text in {"open": "(" * 10_000, "nested": "(" * 10_000 + "a" + ")" * 10_000}.items():
        print(f"10,000 parentheses, {name:<7} {_time(validate, [text]):6.2f} s  {validate(text)[0]}")


def _queries(path: Path | None) -> dict[str, list[str]]:
    if path is None:
        from nls_sdk.synthetic import generate

        return {"synthetic": [row["messages"][-1]["content"] for row in generate(train=5000)[0]]}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    return {
        "wild": [case["query"] for case in cases if case["origin"] == "wild"] * 8,
        "all": [case["query"] for case in cases],
    }


def _parse(query: str) -> None:
    with contextlib.suppress(QueryError):
        parse(query)


def _canonical(query: str) -> None:
    with contextlib.suppress(QueryError):
        canonical(query)


def _time(call: Callable[[str], object], queries: list[str]) -> float:
    start = time.process_time()
    for query in queries:
        call(query)
    return time.process_time() - start


if __name__ == "__main__":
    main()
