"""Streaming: asks data that fits no memory, and keeps no more of it than what is under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..dataset import Example
from ..translator import Translator
from .asking import Asker, asked
from .journal import Header, Journal
from .pacing import Limits, Pace
from .questions import parameters_of
from .results import Row


def stream(
    examples: Iterable[Example],
    translator: Translator,
    *,
    concurrency: int = 1,
    limits: Limits | None = None,
    journal: str | Path | None = None,
    grace: float = 3.0,
) -> Iterator[Row]:
    """Ask questions without end: in the order given, with no more in memory than what is under way.

    For data that is too large for a `Dataset`. The rows are those that come now; those of earlier runs are in
    the journal. Closing the iterator ends the asking.

    Args:
        examples: The questions, the same and in the same order when a journal is gone on with.
        translator: Who is asked. It is not warmed up.
        concurrency: Requests in flight at once.
        limits: Rates and money to keep to.
        journal: A file to which each answer is written as it comes; see `journal.read_rows`.
        grace: Seconds that Ctrl-C gives the requests under way to be answered.

    Raises:
        EvaluationError: The journal is of another translator, or cannot be written.
        KeyboardInterrupt: Ctrl-C; what was answered is in the journal.
    """
    parameters = parameters_of(translator)
    header = Header(
        name=translator.name, asked=0, fingerprint="", created=datetime.now(UTC), parameters=parameters
    )
    kept = None if journal is None else Journal(Path(journal), header)
    asker = Asker(translator, Pace(limits or Limits(), parameters), None if kept is None else kept.add)
    left = ((place, example) for place, example in enumerate(examples) if kept is None or place not in kept)
    turns = ((number, place, 0, example) for number, (place, example) in enumerate(left))
    try:
        yield from asked(asker, turns, concurrency, grace)
    finally:
        if kept is not None:
            kept.close()
