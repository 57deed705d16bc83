"""How far `nls_sdk.sourcegraph` agrees with the server.

    python benchmarks/language_agreement.py CASES.jsonl.gz

A case is a query with the server's verdict: ``query``, ``pattern_type``, ``valid``, ``error_kind``,
``filters``, ``tree`` and ``origin``. Agreement is counted on the verdict, on the kind of error, on the
filters and on the tree, for all cases, for two halves drawn by the hash of the query (the parser was written
with one of them), by origin and by pattern type; every disagreement is classed and listed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server_form import filters, tree

from nls_sdk.metrics import syntax_valid
from nls_sdk.sourcegraph import OPERATORS, QueryError, parse, validate

_MEASURES = ("verdict", "kind", "filters", "tree")


def main() -> None:
    """Prints the tables of agreement and the disagreements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("--list", type=int, default=40, help="how many disagreements to list (default 40)")
    parser.add_argument("--now", default="2026-11-23", help="the day on which the verdicts were recorded")
    options = parser.parse_args()
    now = datetime.fromisoformat(options.now).replace(tzinfo=UTC)
    with gzip.open(options.cases, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    results = [(case, _compare(case, now)) for case in cases]
    _table("all", results)
    _table("half", results, lambda case: "looked at" if _half(case) == 0 else "held back")
    _table("origin", results, lambda case: case["origin"].split("/")[0])
    _table("pattern type", results, lambda case: case["pattern_type"])
    _table("error kind", [row for row in results if row[0]["error_kind"]], lambda case: case["error_kind"])
    _naive("wild queries", [case for case in cases if case["origin"] == "wild"])
    _naive("all queries", cases)
    _list(results, options.list, now)


def _half(case: dict[str, Any]) -> int:
    key = f"{case['pattern_type']}\0{case['query']}"
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 2


def _compare(case: dict[str, Any], now: datetime) -> dict[str, bool]:
    """Whether each measure that the case states agrees."""
    faults = validate(case["query"], case["pattern_type"])
    agrees = {"verdict": case["valid"] == (not faults)}
    if case["error_kind"]:
        agrees["kind"] = bool(faults) and faults[0].kind == case["error_kind"]
    if case["filters"] is None:
        return agrees
    try:
        query = parse(case["query"], case["pattern_type"])
    except QueryError:
        return agrees | {"filters": not case["filters"]} | ({"tree": False} if case["valid"] else {})
    agrees["filters"] = filters(query) == case["filters"]
    if case["valid"]:
        agrees["tree"] = tree(query, now) == case["tree"]
    return agrees


def _table(
    title: str,
    results: list[tuple[dict[str, Any], dict[str, bool]]],
    key: Callable[[dict[str, Any]], str] = lambda case: "all",
) -> None:
    groups: dict[str, Counter[tuple[str, bool]]] = {}
    for case, agrees in results:
        groups.setdefault(key(case), Counter()).update(agrees.items())
    print(f"\n{title:<34}" + "".join(f"{measure:>26}" for measure in _MEASURES))
    for name, counts in sorted(groups.items()):
        cells = []
        for measure in _MEASURES:
            right, total = counts[measure, True], counts[measure, True] + counts[measure, False]
            cells.append(f"{right:>8}/{total:<6} {100 * right / total:6.2f} %" if total else "")
        print(f"{name:<34}" + "".join(f"{cell:>26}" for cell in cells))


def _naive(title: str, rows: list[dict[str, Any]]) -> None:
    """Checks of ``word:`` against a list of operators, beside the parser: how often each is wrong."""
    checks: dict[str, Callable[[dict[str, Any]], bool]] = {
        "word: in a list": lambda case: all(
            word.lower() in OPERATORS
            for word in re.findall(r"(?<![\w:/])-?([A-Za-z_]+):(?!//)", re.sub(r'"[^"]*"', "", case["query"]))
        ),
        "syntax_valid": lambda case: syntax_valid(case["query"]),
        "validate": lambda case: not validate(case["query"], case["pattern_type"]),
    }
    print(f"\n{title:<16}{'accepted wrongly':>24}{'refused wrongly':>24}")
    for name, check in checks.items():
        counts = Counter((case["valid"], check(case)) for case in rows)
        invalid, valid = (counts[verdict, False] + counts[verdict, True] for verdict in (False, True))
        accepted, refused = counts[False, True], counts[True, False]
        print(f"{name:<16}{f'{accepted} of {invalid}':>24}{f'{refused} of {valid}':>24}")


def _list(results: list[tuple[dict[str, Any], dict[str, bool]]], most: int, now: datetime) -> None:
    disagreements = [(case, [m for m, right in agrees.items() if not right]) for case, agrees in results]
    disagreements = [(case, wrong) for case, wrong in disagreements if wrong]
    classes = Counter(_class(case, wrong, now) for case, wrong in disagreements)
    print("\ndisagreements by class")
    for name, count in classes.most_common():
        print(f"{count:>6}  {name}")
    for case, wrong in disagreements[:most]:
        print(
            f"  {_class(case, wrong, now)}: {'+'.join(wrong)} [{case['pattern_type']}] {case['query']!r}"
            f" -> {case['error_kind'] or case['tree']!r}"
        )


def _class(case: dict[str, Any], wrong: list[str], now: datetime) -> str:
    query, pattern_type = case["query"], case["pattern_type"]
    if case["origin"] == "suite":
        return "the case states what the server's parser says, not its validator"
    if wrong == ["verdict"] and [fault.kind for fault in validate(query, pattern_type)] == ["bad_date"]:
        return "a date that only the server reads"
    if wrong == ["tree"]:
        ours = tree(parse(query, pattern_type), now)
        if "at.time" in query:
            return "at.time with the moment of recording, to the nanosecond"
        if re.search(r"\)(?:and|or)\b", query, re.IGNORECASE):
            return "AND or OR right behind a parenthesis, which the server reads as part of the group"
        if case["tree"].startswith("(and ") and ours.startswith("(or ") and query.startswith("("):
            return "filters at an end of an OR in parentheses, which the server applies to all of it"
        if sorted(case["tree"]) == sorted(ours):
            return "the same alternatives in another order"
    return "unclassed: " + "+".join(wrong)


if __name__ == "__main__":
    main()
