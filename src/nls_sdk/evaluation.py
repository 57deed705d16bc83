"""Evaluator: asks a translator a dataset's questions, and owns the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from time import perf_counter
from typing import TypeAlias

from attrs import define, evolve, field, frozen
from attrs.validators import ge

from .dataset import Dataset, Example
from .errors import EndpointError, EvaluationError, NlsError
from .report import Report
from .results import Results, Row
from .retry import can_retry, retry
from .translator import Translator

WARMUP_QUESTION = "find Go files that mention a timeout"
"""What a warm-up request asks, so that no question of the dataset has been asked before it counts."""

PATIENCE = 3
"""Questions in succession that may fail for want of a server before retries are given up."""

OnRow: TypeAlias = Callable[[Row], None]


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C during an evaluation; nothing that was answered is lost.

    Attributes:
        results: What there is so far.
    """

    def __init__(self, results: Results) -> None:
        super().__init__(f"interrupted after {len(results.rows)} of {results.asked} questions")
        self.results = results


@frozen
class Evaluator:
    """Asks translators the questions of a dataset. Models and baselines are treated alike.

    Attributes:
        dataset: Questions and the queries that are expected.
        concurrency: Requests in flight at once. Above 1 the latency of each includes its wait for the others.
        warmup: Requests before the first that counts; the time of the first one is kept apart.
    """

    dataset: Dataset
    concurrency: int = field(default=1, kw_only=True, validator=ge(1))
    warmup: int = field(default=1, kw_only=True, validator=ge(0))

    def run(
        self, translator: Translator, *, on_row: OnRow | None = None, sample: int | None = None
    ) -> Results:
        """Ask every question, and retry what a retry can help.

        A question that gets no answer is a row with an `error`. The time of a row is that of the attempt
        that succeeded, waits between attempts left out.

        Args:
            translator: Who is asked.
            on_row: Called with each row in the dataset's order, in this thread.
            sample: Ask at most so many questions, the same ones each time; see `Dataset.sample`.

        Raises:
            EvaluationError: There is no question.
            NlsError: A warm-up request got no answer, so nothing was asked.
            EvaluationInterrupted: Ctrl-C; it holds the results so far.
        """
        dataset = self.dataset if sample is None else self.dataset.sample(max(sample, 0))
        if not dataset:
            raise EvaluationError(f"{self.dataset.source or 'The dataset'}: no question to ask.")
        created, rows = datetime.now(UTC), list[Row]()
        cold_start: float | None = None

        def results() -> Results:
            return Results(
                name=translator.name,
                rows=tuple(rows),
                asked=len(dataset),
                fingerprint=dataset.fingerprint,
                created=created,
                source=str(dataset.source) if dataset.source else None,
                cold_start_seconds=cold_start,
            )

        try:
            for _ in range(self.warmup):
                seconds = _warm_up(translator)
                cold_start = seconds if cold_start is None else cold_start
            with _asked(translator, dataset, self.concurrency) as answered:
                for row in answered:
                    rows.append(row)
                    if on_row is not None:
                        on_row(row)
        except KeyboardInterrupt:
            raise EvaluationInterrupted(results()) from None
        return results()

    def compare(
        self,
        model: Translator,
        baseline: Translator | Results | None = None,
        *,
        on_row: OnRow | None = None,
        sample: int | None = None,
        titles: tuple[str, str] = ("Fine-tuned", "Baseline"),
    ) -> Report:
        """Ask the model, and the baseline unless its results are given, and compare them.

        Args:
            model: Who is judged against the targets.
            baseline: Whom the model is compared with.
            on_row: Called with each row of the model, then with each of the baseline.
            sample: Ask at most so many questions.
            titles: Heads of the report's two columns.

        Raises:
            EvaluationError: There is no question, or none in common with the results given.
            NlsError: A warm-up request got no answer.
            EvaluationInterrupted: Ctrl-C; it holds the results of the one that was being asked.
        """
        results = self.run(model, on_row=on_row, sample=sample)
        if baseline is not None and not isinstance(baseline, Results):
            baseline = self.run(baseline, on_row=on_row, sample=sample)
        return Report.of(results, baseline, titles=titles)


@contextmanager
def _asked(translator: Translator, dataset: Dataset, concurrency: int) -> Iterator[Iterable[Row]]:
    """The rows of all questions in order, as they come; leaving the block early asks no more."""
    asker = _Asker(translator)
    if concurrency == 1:
        yield map(asker.row, dataset)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="nls-evaluator")
    try:
        yield pool.map(asker.row, dataset)
    finally:
        asker.stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _warm_up(translator: Translator) -> float:
    """Seconds from the first attempt to the answer, waits between attempts included."""
    starts: list[float] = []

    def attempt() -> None:
        starts.append(perf_counter())
        translator.translate(WARMUP_QUESTION)

    retry(attempt)
    return perf_counter() - starts[0]


@define
class _Asker:
    """Asks questions one by one, from several threads.

    Attributes:
        translator: Who is asked.
        stopped: Set when no more requests are to be made.
        lost: Questions in succession that retries did not help. From `PATIENCE` on each gets one attempt,
            until one is answered: a server that is gone must not cost minutes a question.
    """

    translator: Translator
    stopped: Event = field(factory=Event)
    lost: int = 0

    def row(self, example: Example) -> Row:
        """Ask one question; whatever goes wrong with it is data, not an exception."""
        attempts, seconds = 0, 0.0

        def attempt() -> str:
            nonlocal attempts, seconds
            if self.stopped.is_set():
                raise EvaluationError("The evaluation was interrupted.")
            attempts += 1
            start = perf_counter()
            answer = self.translator.translate(example.question)
            seconds = perf_counter() - start
            if not isinstance(answer, str):
                raise EndpointError(f"{self.translator.name} answered {type(answer).__name__}, not text.")
            return answer

        row = Row(
            question=example.question, expected=example.query, metadata=example.metadata, line=example.line
        )
        try:
            answer = retry(attempt) if self.lost < PATIENCE else attempt()
        except Exception as error:
            self.lost = self.lost + 1 if can_retry(error) else 0
            reason = error.message if isinstance(error, NlsError) else f"{type(error).__name__}: {error}"
            return evolve(row, attempts=attempts, error=reason)
        self.lost = 0
        server_seconds = getattr(answer, "server_seconds", None)
        return evolve(
            row, actual=str(answer), seconds=seconds, server_seconds=server_seconds, attempts=attempts
        )
