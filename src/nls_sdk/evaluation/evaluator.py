"""Evaluator: asks a translator a dataset's questions, and owns the clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

from attrs import define, evolve, field, frozen
from attrs.validators import ge

from ..dataset import Dataset
from ..errors import EvaluationError
from ..retry import retry
from ..translator import Translator
from .asking import Asker, Question, asked, unanswered
from .journal import Header, Journal, read_rows, results_of
from .pacing import Limits, Pace
from .questions import Questions
from .report import Report
from .results import Results, Row

WARMUP_QUESTION = "find Go files that mention a timeout"
"""What a warm-up request asks, so that no question of the dataset has been asked before it counts."""

OnRow: TypeAlias = Callable[[Row], None]


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C during an evaluation; nothing that was answered is lost.

    Attributes:
        results: What there is so far of the one that was being asked.
        model: The model's results, when `Evaluator.compare` was asking the baseline; None otherwise.
    """

    def __init__(self, results: Results, model: Results | None = None) -> None:
        super().__init__(f"interrupted after {len(results.rows)} of {results.asked} questions")
        self.results = results
        self.model = model


@frozen
class Evaluator:
    """Asks translators the questions of a dataset. Models and baselines are treated alike.

    The questions are asked in a shuffled order, so that the answers to the first few say of all what a sample
    says; the rows of the results are in the dataset's order.

    Attributes:
        dataset: Questions and the queries that are expected.
        concurrency: Requests in flight at once. Above 1 the latency of each includes its wait for the others.
        warmup: Requests before the first that counts; the time of the first one is kept apart.
        repeats: How often each question is asked; more than once shows how far the answers vary.
        limits: Rates and money to keep to.
        seed: Decides the order, and which questions are a sample.
        grace: Seconds that Ctrl-C gives the requests under way to be answered.
    """

    dataset: Dataset
    concurrency: int = field(default=1, kw_only=True, validator=ge(1))
    warmup: int = field(default=1, kw_only=True, validator=ge(0))
    repeats: int = field(default=1, kw_only=True, validator=ge(1))
    limits: Limits = field(factory=Limits, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    grace: float = field(default=3.0, kw_only=True, validator=ge(0))

    def run(
        self,
        translator: Translator,
        *,
        on_row: OnRow | None = None,
        sample: int | None = None,
        journal: str | Path | None = None,
        retry_failed: bool = False,
        known: Results | None = None,
    ) -> Results:
        """Ask every question, and retry what a retry can help.

        A question that gets no answer is a row with an `error`. The time of a row is that of the attempt
        that succeeded, waits between attempts left out.

        Args:
            translator: Who is asked.
            on_row: Called with each row as it comes, in this thread.
            sample: Ask at most so many questions, the same ones each time; see `Dataset.sample`.
            journal: A file to which each answer is written as it comes. When it is there already, its answers
                are kept and only the other questions are asked.
            retry_failed: Ask those of the journal again that failed.
            known: Earlier results of the same translator; a question that they answer is not asked.

        Raises:
            EvaluationError: There is no question, or the journal is of another evaluation.
            NlsError: A warm-up request got no answer, so nothing was asked.
            EvaluationInterrupted: Ctrl-C; it holds the results so far.
        """
        questions = self._questions(sample)
        answers = {} if known is None else questions.answered_by(known)
        return self._begin(translator, questions, journal, retry_failed, answers).ask(self, on_row)

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

        Both are warmed up before the first question, so that one that cannot be used costs no answer.

        Args:
            model: Who is judged against the targets.
            baseline: Whom the model is compared with.
            on_row: Called with each row of the model, then with each of the baseline.
            sample: Ask at most so many questions.
            titles: Heads of the report's two columns.

        Raises:
            EvaluationError: There is no question, or none in common with the results given.
            NlsError: A warm-up request to one of the two got no answer, so neither was asked.
            EvaluationInterrupted: Ctrl-C; it holds the results so far, of the model and of the baseline.
        """
        questions = self._questions(sample)
        asking = self._begin(model, questions)
        if baseline is None or isinstance(baseline, Results):
            if baseline is not None:
                # Before any question: nothing in common is then no answer lost.
                Report.of(asking.unasked(), baseline)
            return Report.of(asking.ask(self, on_row), baseline, titles=titles)
        asking_baseline = self._begin(baseline, questions)
        results = asking.ask(self, on_row)
        try:
            others = asking_baseline.ask(self, on_row)
        except EvaluationInterrupted as interruption:
            raise EvaluationInterrupted(interruption.results, results) from None
        return Report.of(results, others, titles=titles)

    def run_each(
        self,
        translators: Iterable[Translator],
        *,
        sample: int | None = None,
        folder: str | Path | None = None,
    ) -> tuple[Results, ...]:
        """Ask several translators the same questions, one after the other.

        Args:
            translators: Who is asked.
            sample: Ask at most so many questions.
            folder: Where each keeps a journal of its name, so that a killed call goes on where it was.

        Raises:
            EvaluationError: There is no question, or a journal is of another evaluation.
            NlsError: A warm-up request got no answer; those before it have been asked.
            EvaluationInterrupted: Ctrl-C; it holds the results of the one that was being asked.
        """
        found = []
        for number, translator in enumerate(translators, 1):
            name = re.sub(r"[^\w.-]+", "-", translator.name)
            journal = None if folder is None else Path(folder) / f"{number}-{name}.jsonl"
            found.append(self.run(translator, sample=sample, journal=journal))
        return tuple(found)

    def _questions(self, sample: int | None) -> Questions:
        order = self.dataset.order(self.seed)
        chosen = order if sample is None else order[: max(sample, 0)]
        if not chosen:
            raise EvaluationError(f"{self.dataset.source or 'The dataset'}: no question to ask.")
        places = {index: place for place, index in enumerate(sorted(chosen))}
        dataset = (
            self.dataset if len(chosen) == len(order) else self.dataset.sample(len(chosen), seed=self.seed)
        )
        return Questions(dataset, [places[index] for index in chosen], self.repeats)

    def _begin(
        self,
        translator: Translator,
        questions: Questions,
        journal: str | Path | None = None,
        retry_failed: bool = False,
        known: Mapping[int, Row] | None = None,
    ) -> _Asking:
        header = questions.header(translator, self.seed)
        rows = dict(known or {})
        times = self.warmup if len(rows) < header.asked else 0
        if journal is None:
            return _Asking(translator, questions, warmed_up(header, translator, times), None, rows)
        if not Path(journal).exists():
            # Only whoever answers is worth a file.
            header = warmed_up(header, translator, times)
            kept = Journal(Path(journal), header)
        else:
            kept = Journal(Path(journal), header, retry_failed=retry_failed)
            try:
                warmed_up(header, translator, times if kept.resumed < header.asked else 0)
            except BaseException:
                kept.close()
                raise
        for place, row in rows.items():
            if place not in kept:
                kept.add(place, row)
        return _Asking(translator, questions, kept.header, kept)


@define
class _Asking:
    """One translator and the questions, from the first to the last answer.

    Attributes:
        translator: Who is asked.
        questions: What is asked.
        header: What the results say of both.
        journal: Where rows are written as they come.
        rows: What came of the questions so far, by their places, when there is no journal.
    """

    translator: Translator
    questions: Questions
    header: Header
    journal: Journal | None = None
    rows: dict[int, Row] = field(factory=dict)

    def ask(self, evaluator: Evaluator, on_row: OnRow | None) -> Results:
        began, resumed = perf_counter(), self.journal is not None and self.journal.resumed > 0
        pace = Pace(evaluator.limits, self.header.parameters)
        self._recall(pace)
        asker = Asker(self.translator, pace, self._keep)
        try:
            with closing(asked(asker, self._turns(), evaluator.concurrency, evaluator.grace)) as rows:
                for row in rows:
                    if on_row is not None:
                        on_row(row)
        except KeyboardInterrupt:
            raise EvaluationInterrupted(self._results(pace)) from None
        finally:
            if self.journal is not None:
                self.journal.close()
        seconds = None if resumed else perf_counter() - began
        stopped = f"the spend cap of ${evaluator.limits.max_cost:g} is reached" if asker.capped else ""
        return evolve(self._results(pace), elapsed_seconds=seconds, stopped=stopped)

    def unasked(self) -> Results:
        """The questions as rows, before they are asked."""
        return results_of(self.header, [unanswered(example) for example in self.questions.dataset])

    def _turns(self) -> Iterator[Question]:
        done = self.rows if self.journal is None else self.journal
        left = (turn for turn in self.questions.turns() if turn[0] not in done)
        return ((number, *turn) for number, turn in enumerate(left))

    def _keep(self, place: int, row: Row) -> None:
        if self.journal is not None:
            self.journal.add(place, row)
        else:
            self.rows[place] = row

    def _recall(self, pace: Pace) -> None:
        if pace.limits.price is None or self.journal is None:
            return
        for _, row in read_rows(self.journal.path):
            if not row.failed:
                pace.recall(row.question, row.tokens_in, row.tokens_out)

    def _results(self, pace: Pace) -> Results:
        rows = self.rows if self.journal is None else dict(read_rows(self.journal.path))
        cost = pace.spent if pace.limits.price is not None else None
        return results_of(self.header, [rows[place] for place in sorted(rows)], cost=cost)


def warmed_up(header: Header, translator: Translator, times: int) -> Header:
    """The header with the time of the first of so many warm-up requests, waits between attempts included.

    Raises:
        NlsError: One got no answer.
        EvaluationInterrupted: Ctrl-C; there is no row.
    """
    first: float | None = None
    try:
        for _ in range(times):
            starts: list[float] = []

            def attempt(starts: list[float] = starts) -> None:
                starts.append(perf_counter())
                translator.translate(WARMUP_QUESTION)

            retry(attempt)
            first = perf_counter() - starts[0] if first is None else first
    except KeyboardInterrupt:
        raise EvaluationInterrupted(results_of(header, [])) from None
    return evolve(header, cold_start_seconds=first)
