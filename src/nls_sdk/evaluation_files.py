"""Where evaluations are kept: a folder of `eval-YYYYMMDD-HHMMSS.json` (in UTC) and `baseline-NAME.json`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from .errors import EvaluationError
from .results import Results, pair_rows, writing

EVALUATIONS = Path("data/datasets/evaluations")
"""The folder, unless another is named."""

_EVALUATION = re.compile(r"eval-\d{8}-\d{6}\.json")
_UNSAFE = re.compile(r"[^\w.-]+")


def save_evaluation(results: Results, folder: str | Path = EVALUATIONS) -> Path:
    """Write results under the time they were made at; no file that is there is ever overwritten.

    When the name is taken, that of the next second which is free is used.

    Raises:
        EvaluationError: The file cannot be written.
    """
    created = results.created
    with writing(Path(folder)):
        Path(folder).mkdir(parents=True, exist_ok=True)
        while not _claim(path := Path(folder) / f"eval-{created:%Y%m%d-%H%M%S}.json"):
            created += timedelta(seconds=1)
    try:
        return results.write(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def save_baseline(results: Results, folder: str | Path = EVALUATIONS) -> Path:
    """Write results as the baseline of their name, in the place of an older one with no more answers.

    One with more answers stays, and these go beside it, as `baseline-NAME.3-answers.json`.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = baseline_path(results.name, folder)
    if results.answered < _answered(path):
        path = path.with_name(f"{path.stem}.{results.answered}-answers.json")
    return results.write(path)


def baseline_path(name: str, folder: str | Path = EVALUATIONS) -> Path:
    """Where the baseline of a name is kept: `baseline-gpt-4o-mini.json`."""
    return Path(folder) / f"baseline-{_UNSAFE.sub('-', name)}.json"


def newest_evaluation(folder: str | Path = EVALUATIONS) -> Path:
    """The newest evaluation of a folder, by its name.

    Raises:
        EvaluationError: There is none.
    """
    found = [path for path in Path(folder).glob("eval-*.json") if _EVALUATION.fullmatch(path.name)]
    if not found:
        raise EvaluationError(f"{folder}: no evaluation there.", hint="`nls-finetune eval run` makes one.")
    return max(found, key=lambda path: path.name)


def matching_baseline(
    results: Results, folder: str | Path = EVALUATIONS, *, warn: Callable[[str], object] = warnings.warn
) -> Path | None:
    """The baseline of a folder that answered most of the results' questions, the newest of several; or None.

    Args:
        results: What is to be compared.
        folder: Where the baselines are.
        warn: Told of each file that cannot be read, and is passed over.
    """
    best: tuple[tuple[int, float], Path] | None = None
    for path in sorted(Path(folder).glob("baseline-*.json")):
        try:
            baseline = Results.read(path)
        except EvaluationError as error:
            warn(f"Passed over: {error.message}")
            continue
        answered = sum(not theirs.failed for _, theirs in pair_rows(results, baseline))
        rank = (answered, baseline.created.timestamp())
        if rank[0] and (best is None or rank > best[0]):
            best = rank, path
    return best[1] if best else None


def _answered(path: Path) -> int:
    """Answers in a baseline file; none in one that is missing or broken, which nobody misses."""
    try:
        return Results.read(path).answered
    except EvaluationError:
        return 0


def _claim(path: Path) -> bool:
    """Take a file name, unless it is taken."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
