"""How fast `nls_sdk.sourcegraph` reads and checks.

    python benchmarks/language_speed.py [CASES.jsonl.gz]

Queries a second, on one core, for the answers of the synthetic generator and, where a file of cases is
given, for its queries of origin ``wild`` (really used by somebody) and for all of them. "Parse + validate" is
one call of `validate` with the text: it builds the whole tree and checks every value. Only single values (a
regular expression, a language) are remembered from one query to the next:

- "first" is one pass over the different queries in a new process, when nothing is remembered yet;
- "warm" is the best of several rounds, taken for each hundred queries, as other work on the machine can only
  slow a round down.

Then the seconds for 125, 250, 500 and 1,000 kB of one shape, of the processor's time and the better of two
runs: where twice the text takes twice the time, reading is linear. The last part is parentheses nested too
deeply.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from nls_sdk.sourcegraph import QueryError, canonical, lint, parse, validate

SIZES = (125_000, 250_000, 500_000, 1_000_000)
SHAPES = {
    "words": "foo bar ",
    "filters": "repo:^a\\.b$ ",
    "calls": "foo(a b) ",
    "quoted terms": '"a b" ',
    "quoted filters": 'repo:"a b" ',
    "regexes": "/a.b/ ",
    "predicates": "repo:has.file(path:a) ",
    "negations": "NOT a ",
    "OR": "foo OR ",
    "OR and AND": "foo OR bar AND ",
    "groups": "(a or b) ",
    "filters in groups": "(file:a file:b) ",
    "empty groups": "() ",
    "empty filters": "repo: ",
    "open parentheses": "(",
    "open calls": "foo( ",
    "open predicates": "repo:has.path(a ",
    "open quotes": '"a ',
    "slashes": "/a ",
    "backslashes": "\\",
    "dates": "type:commit after:yesterday ",
    "different dates": "type:commit after:{}d ",
    "different languages": "lang:zzz{} ",
    "different regexes": "file:(a|b){} ",
    "alternatives": "repo:a OR ",
    "one word": "a",
}
"""Pieces that make long queries; ``{}`` is a number, another in each piece."""


def main() -> None:
    """Prints queries a second, seconds by length, and the answer to deep nesting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pattern-type", default="keyword", help="for the long queries (default keyword)")
    options = parser.parse_args()
    calls: dict[str, Callable[[str], object]] = {
        "parse": _parse,
        "parse + validate": validate,
        "lint": lint,
        "canonical": _canonical,
    }
    print(f"{'queries a second':<32}{'first':>10}{'warm':>10}")
    for name, queries in _queries(options.cases).items():
        print(f"{name}: {len(queries):,} queries of {sum(map(len, queries)) / len(queries):.0f} characters")
        for what, call in calls.items():
            first = len(queries) / _in_a_new_process(call, queries)
            warm = len(queries) / _warm(call, queries, options.rounds)
            print(f"  {what:<30}{first:>10,.0f}{warm:>10,.0f}")
    print(f"\n{'seconds by length':<24}" + "".join(f"{size:>11,}" for size in SIZES))
    for name, piece in SHAPES.items():
        seconds = [_seconds(_long(piece, size), options.pattern_type) for size in SIZES]
        print(f"{name:<24}" + "".join(f"{each:>11.3f}" for each in seconds), flush=True)
    print()
    for name, text in {"open": "(" * 10_000, "nested": "(" * 10_000 + "a" + ")" * 10_000}.items():
        print(f"10,000 parentheses, {name:<7} {_seconds(text, 'keyword'):6.3f} s  {validate(text)[0]}")


def _queries(path: Path | None) -> dict[str, list[str]]:
    from nls_sdk.synthetic import generate

    found = {
        "synthetic": list(dict.fromkeys(row["messages"][-1]["content"] for row in generate(train=5000)[0]))
    }
    if path is None:
        return found
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    found["wild"] = list(dict.fromkeys(case["query"] for case in cases if case["origin"] == "wild"))
    found["all cases"] = list(dict.fromkeys(case["query"] for case in cases))
    return found


def _parse(query: str) -> None:
    with contextlib.suppress(QueryError):
        parse(query)


def _canonical(query: str) -> None:
    with contextlib.suppress(QueryError):
        canonical(query)


def _in_a_new_process(call: Callable[[str], object], queries: list[str]) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_once, (call, queries))


def _once(call: Callable[[str], object], queries: list[str]) -> float:
    call("repo:a /b+/ lang:go type:commit after:yesterday")  # imports RE2 and reads the table of languages
    start = time.process_time()
    for query in queries:
        call(query)
    return time.process_time() - start


def _warm(call: Callable[[str], object], queries: list[str], rounds: int) -> float:
    hundreds = [queries[at : at + 100] for at in range(0, len(queries), 100)]
    best = [float("inf")] * len(hundreds)
    for _ in range(rounds):
        for at, some in enumerate(hundreds):
            start = time.perf_counter()
            for query in some:
                call(query)
            best[at] = min(best[at], time.perf_counter() - start)
    return sum(best)


def _long(piece: str, size: int) -> str:
    """A query of about ``size`` characters that ends in a word."""
    pieces = _pieces(piece)
    made: list[str] = []
    length = 0
    while length < size:
        made.append(next(pieces))
        length += len(made[-1])
    return "".join(made) + "x"


def _pieces(piece: str) -> Iterator[str]:
    return (piece.replace("{}", str(number)) for number in count())


def _seconds(text: str, pattern_type: str) -> float:
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        validate(text, pattern_type)
        best = min(best, time.process_time() - start)
    return best


if __name__ == "__main__":
    main()
