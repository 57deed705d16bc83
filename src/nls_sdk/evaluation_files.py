"""Where evaluations are kept: a folder of `eval-YYYYMMDD-HHMMSS.json` (in UTC) and `baseline-NAME.json`."""

from __future__ import annotations

import re
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
    """Write results as the baseline of their name, in the place of an older one.

    Raises:
        EvaluationError: The file cannot be written.
    """
    return results.write(baseline_path(results.name, folder))


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


def matching_baseline(results: Results, folder: str | Path = EVALUATIONS) -> Path | None:
    """The baseline of a folder that shares most questions with the results, the newest of several; or None.

    Raises:
        EvaluationError: A baseline file of the folder is not one.
    """
    best: tuple[tuple[int, float], Path] | None = None
    for path in sorted(Path(folder).glob("baseline-*.json")):
        baseline = Results.read(path)
        rank = (len(pair_rows(results, baseline)), baseline.created.timestamp())
        if rank[0] and (best is None or rank > best[0]):
            best = rank, path
    return best[1] if best else None


def _claim(path: Path) -> bool:
    """Take a file name, unless it is taken."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
