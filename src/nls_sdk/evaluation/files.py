"""Where evaluations are kept: a folder of `eval-YYYYMMDD-HHMMSS.json` (in UTC) and `baseline-NAME.json`.

One that is under way, or was killed, is a journal of the same name that ends in `.jsonl`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import EvaluationError
from .journal import Header, Journal, read_header, read_journal
from .results import Results, Row, keyed, pair_rows, writing

EVALUATIONS = Path("data/datasets/evaluations")
"""The folder, unless another is named."""

_EVALUATION = re.compile(r"eval-\d{8}-\d{6}\.jsonl?")
_UNSAFE = re.compile(r"[^\w.-]+")


def read_results(path: str | Path) -> Results:
    """Read an evaluation file, or the journal of one that is not whole.

    Raises:
        EvaluationError: There is no such file, or it is not one.
    """
    file = Path(path)
    return read_journal(file) if file.suffix == ".jsonl" else Results.read(file)


def new_journal(created: datetime, folder: str | Path = EVALUATIONS) -> Path:
    """A name for the journal of an evaluation that begins now, which no other has."""
    while True:
        path = Path(folder) / f"eval-{created:%Y%m%d-%H%M%S}.jsonl"
        if not path.exists() and not path.with_suffix(".json").exists():
            return path
        created += timedelta(seconds=1)


def unfinished(folder: str | Path = EVALUATIONS) -> list[tuple[Path, Header]]:
    """The journals of evaluations that are not whole, oldest first, with what each was asking."""
    found = []
    for path in sorted(Path(folder).glob("eval-*.jsonl")):
        try:
            found.append((path, read_header(path)))
        except EvaluationError:
            continue
    return found


def finish(journal: Path, results: Results) -> Path:
    """Write the whole results of a journal under its name, and delete it.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = results.write(journal.with_suffix(".json"))
    journal.unlink(missing_ok=True)
    return path


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
    """Write results as the baseline of their name, in the place of an older one whose answers they all have.

    One with other answers stays, and these go beside it, as `baseline-NAME.3-answers.json`; one that was
    asked in another way (another model version, prompt or parameter) stays too, and these get their key into
    their name.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = baseline_path(results.name, folder)
    kept = _read_or_none(path)
    if kept is not None and not _asked_alike(kept, results.parameters):
        path = path.with_name(f"{path.stem}.{key_of(results.parameters)}.json")
    return results.write(next(name for name in _names(path, results.answered) if _has_all_of(results, name)))


def keep_interrupted(name: str, folder: str | Path = EVALUATIONS) -> Path:
    """The journal of a baseline; the answers of an interrupted one become a file of their own before.

    Raises:
        EvaluationError: The journal is another process's, or is none; or the file cannot be written.
    """
    path = baseline_path(name, folder).with_suffix(".jsonl")
    if path.exists() and path.stat().st_size:
        journal = Journal(path, read_header(path))
        try:
            results = read_journal(path)
            if results.answered:
                save_baseline(results, folder)
            journal.remove()
        finally:
            journal.close()
    return path


def known_answers(
    name: str, parameters: Mapping[str, Any], folder: str | Path = EVALUATIONS
) -> Results | None:
    """What a baseline has answered before, in all its files together, when asked in the same way; or None."""
    found: Results | None = None
    rows: dict[Hashable, Row] = {}
    for path in sorted(Path(folder).glob(f"{baseline_path(name, folder).stem}*.json")):
        results = _read_or_none(path)
        if results is not None and results.name == name and results.parameters == parameters:
            found = found or results
            for key, row in keyed(results.rows):
                if not row.failed:
                    rows.setdefault(key, row)
    return None if found is None else found.only(rows.values())


def key_of(parameters: Mapping[str, Any]) -> str:
    """Eight characters that stand for a model, its prompt and its parameters."""
    text = json.dumps(parameters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def baseline_path(name: str, folder: str | Path = EVALUATIONS) -> Path:
    """Where the baseline of a name is kept: `baseline-gpt-4o-mini.json`."""
    return Path(folder) / f"baseline-{_UNSAFE.sub('-', name)}.json"


def newest_evaluation(
    folder: str | Path = EVALUATIONS, *, warn: Callable[[str], object] = warnings.warn
) -> Path:
    """The newest whole evaluation of a folder, by its name; one that is not whole when there is no other.

    Args:
        folder: Where the evaluations are.
        warn: Told of each newer file that is passed over, and of one that is not whole and is taken.

    Raises:
        EvaluationError: There is none.
    """
    names = [path for path in Path(folder).glob("eval-*.json*") if _EVALUATION.fullmatch(path.name)]
    partial: Path | None = None
    for path in sorted(names, key=lambda path: path.name, reverse=True):
        try:
            results = read_results(path)
        except EvaluationError:
            if path.suffix == ".jsonl":
                continue
            return path  # whoever reads it is told what is wrong with it
        if not results.partial:
            return path
        warn(f"Not whole: {path} has {len(results.rows)} of {results.asked} questions.")
        partial = partial or path
    if partial is None:
        raise EvaluationError(f"{folder}: no evaluation there.", hint="`nls-finetune eval run` makes one.")
    return partial


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


def _read_or_none(path: Path) -> Results | None:
    try:
        return read_results(path)
    except EvaluationError:
        return None


def _names(path: Path, answered: int) -> Iterator[Path]:
    """The names that a baseline may have, the plainest first."""
    yield path
    stem = f"{path.stem}.{answered}-answers"
    yield path.with_name(f"{stem}.json")
    yield from (path.with_name(f"{stem}-{number}.json") for number in itertools.count(2))


def _has_all_of(results: Results, path: Path) -> bool:
    """Whether results have all the answers of a file; one that is missing or broken has none."""
    kept = _read_or_none(path)
    if kept is None:
        return True
    answered = {key for key, row in keyed(results.rows) if not row.failed}
    return all(row.failed or key in answered for key, row in keyed(kept.rows))


def _asked_alike(kept: Results, parameters: Mapping[str, Any]) -> bool:
    """Whether two were asked in the same way; older files do not say in which they were."""
    return not kept.parameters or not parameters or kept.parameters == parameters


def _claim(path: Path) -> bool:
    """Take a file name, unless it is taken."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
