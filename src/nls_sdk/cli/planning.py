"""`eval run --plan`: how many questions decide what, before any is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import EvaluationError
from ..evaluation.files import newest_evaluation, read_results
from ..evaluation.statistics import POWER, pairs_needed, questions_needed, share_power
from ..metrics import SEMANTIC_TARGET, SYNTAX_TARGET

TARGETS = (("Syntax Valid", SYNTAX_TARGET), ("Semantic Match", SEMANTIC_TARGET))
_STEPS = 200


def planned(total: int, folder: Path, *, warn: Callable[[str], object]) -> tuple[dict[str, Any], str]:
    """What so many questions decide: for a machine, and for a person.

    Args:
        total: Questions that would be asked.
        folder: Where earlier evaluations are; the newest says what to expect.
        warn: Told of evaluations that are passed over.
    """
    lines = [f"{total} questions, each answered rightly or not; decided at 95 %, with {POWER:.0%} power:"]
    values: dict[str, Any] = {"questions": total, "power": POWER, "targets": []}
    expected = _expected(folder, warn)
    for name, target in TARGETS:
        fails, passes = decidable(total, target)
        lines.append(f"  {name} ≥{target:.0%}: {_decides(fails, passes)}")
        found: dict[str, Any] = {
            "metric": name,
            "target": target,
            "fails_up_to": fails,
            "passes_from": passes,
        }
        if name in expected:
            needed = questions_needed(expected[name], target)
            found |= {"expected": expected[name], "needed": needed}
            lines.append(f"    at the last evaluation's {expected[name]:.1%}: {_needs(needed)}")
        values["targets"].append(found)
    lines.append("Against another model, by how many questions only one of the two gets right:")
    values["pairs"] = []
    for better, worse in ((0.10, 0.02), (0.10, 0.05), (0.15, 0.05), (0.20, 0.10)):
        needed = pairs_needed(better, worse)
        values["pairs"].append({"better": better, "worse": worse, "needed": needed})
        mark = "  enough" if needed is not None and needed <= total else ""
        lines.append(f"  {better:.0%} against {worse:.0%}: {_needs(needed)}{mark}")
    return values, "\n".join(lines)


def decidable(total: int, target: float) -> tuple[float | None, float | None]:
    """The highest true share that surely fails, and the lowest that surely passes; None when none does."""
    grid = [step / _STEPS for step in range(_STEPS + 1)]
    sure = [share for share in grid if share_power(share, target, [total])[0] >= POWER]
    fails = [share for share in sure if share < target]
    passes = [share for share in sure if share > target]
    return (max(fails) if fails else None, min(passes) if passes else None)


def _decides(fails: float | None, passes: float | None) -> str:
    said = [f"FAIL when it is at most {fails:.1%}"] if fails is not None else []
    said += [f"PASS when it is at least {passes:.1%}"] if passes is not None else []
    return ", ".join(said) + "; UNDECIDED between" if said else "decides nothing"


def _needs(needed: int | None) -> str:
    return "no number of questions decides" if needed is None else f"{needed:,} questions decide"


def _expected(folder: Path, warn: Callable[[str], object]) -> dict[str, float]:
    try:
        results = read_results(newest_evaluation(folder, warn=warn))
    except EvaluationError:
        return {}
    return {"Syntax Valid": results.syntax_valid.value, "Semantic Match": results.semantic_match.value}
