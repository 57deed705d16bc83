"""Report: how a fine-tuned model does against the targets, and against a baseline."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from attrs import field, frozen

from ..errors import EvaluationError
from ..events import Progress
from ..metrics import LATENCY_TARGET_MS, SEMANTIC_TARGET, SYNTAX_TARGET, Verdict, findings
from .analysis import Judgement, Paired, Slice, floors, judgements, paired, repeated, slices
from .history import Entry, history
from .misses import Miss, classes
from .report_parts import Line as Line
from .report_parts import Pair as Pair
from .report_text import (
    figures,
    milliseconds,
    paired_note,
    repeats_note,
    share,
    side_notes,
    slice_note,
    table,
)
from .results import SCHEMA, Results, Row, Share, pair_rows, write_text
from .statistics import Decision


@frozen
class Report:
    """How a model does against the targets, and against a baseline. `str(report)` is the table with notes.

    Made by `Report.of`, `Report.from_files` or `Evaluator.compare`.

    Attributes:
        model: The model's results, on the questions that both were asked.
        baseline: The baseline's, on the same; None without baseline.
        titles: Heads of the two columns.
        left_out: Questions that only one of the two was asked.
    """

    model: Results
    baseline: Results | None = None
    titles: tuple[str, str] = ("Fine-tuned", "Baseline")
    left_out: int = 0
    pairs: tuple[Pair, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        model: Results,
        baseline: Results | None = None,
        *,
        titles: tuple[str, str] = ("Fine-tuned", "Baseline"),
    ) -> Report:
        """Compare two results on the questions that both were asked.

        Raises:
            EvaluationError: There is no such question.
        """
        if baseline is None:
            return cls(model, None, titles)
        pairs = tuple(Pair(*rows) for rows in pair_rows(model, baseline))
        if not pairs:
            raise EvaluationError(
                f"{model.name} and {baseline.name} were asked no question in common.",
                hint="Make the baseline again on the same data: `nls-finetune eval baseline`.",
            )
        return cls(
            model if len(pairs) == len(model.rows) else model.only(pair.model for pair in pairs),
            baseline.only(pair.baseline for pair in pairs),
            titles,
            len(model.rows) + len(baseline.rows) - 2 * len(pairs),
            pairs,
        )

    @classmethod
    def from_files(
        cls,
        model: str | Path,
        baseline: str | Path | None = None,
        *,
        titles: tuple[str, str] = ("Fine-tuned", "Baseline"),
    ) -> Report:
        """Compare two evaluation files.

        Raises:
            EvaluationError: One is missing or is not one, or they have no question in common.
        """
        other = None if baseline is None else Results.read(baseline)
        return cls.of(Results.read(model), other, titles=titles)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The rows of the table; one more when a request failed, so that the report does not pass."""
        latency, other = self.model.latency, self.baseline.latency if self.baseline else None
        return (
            self._share("Syntax Valid", lambda results: results.syntax_valid, SYNTAX_TARGET),
            self._share("Semantic Match", lambda results: results.semantic_match, SEMANTIC_TARGET),
            Line(
                "Avg Latency",
                milliseconds(latency.mean, LATENCY_TARGET_MS) if latency else "-",
                milliseconds(other.mean) if other else "-",
                f"≤{LATENCY_TARGET_MS:.0f}ms",
                latency is not None and latency.mean <= LATENCY_TARGET_MS,
            ),
            *self._answered(),
        )

    def _share(self, metric: str, of: Callable[[Results], Share], target: float) -> Line:
        part, other = of(self.model), of(self.baseline) if self.baseline else None
        theirs = share(other) if other else "-"
        return Line(metric, share(part, target), theirs, f"≥{target:.0%}", part.value >= target)

    def _answered(self) -> list[Line]:
        model, baseline = self.model, self.baseline
        sides = [Share(side.answered, len(side.rows)) for side in (model, baseline) if side]
        if all(side.count == side.total for side in sides):
            return []
        other = share(sides[1], 1.0) if baseline else "-"
        return [Line("Answered", share(sides[0], 1.0), other, "100%", not model.failures)]

    @property
    def passed(self) -> bool:
        """Whether the model meets every target."""
        return all(line.passed for line in self.lines)

    @property
    def decided(self) -> bool:
        """Whether the model meets every target by more than noise."""
        return self.passed and all(each.decision is Decision.PASS for each in self.judgements)

    @property
    def verdicts(self) -> Mapping[Verdict, int]:
        """How many questions have each verdict; empty without baseline."""
        found = [pair.verdict for pair in self.pairs]
        return {kind: found.count(kind) for kind in Verdict} if found else {}

    def with_verdict(self, kind: Verdict) -> tuple[Pair, ...]:
        """The pairs of one verdict."""
        return tuple(pair for pair in self.pairs if pair.verdict is kind)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """What the model's figures say of the targets, with intervals: PASS, FAIL or UNDECIDED."""
        return judgements(self.model)

    @cached_property
    def paired(self) -> Paired | None:
        """Whether model and baseline differ by more than chance; None without baseline."""
        return paired([(pair.model, pair.baseline) for pair in self.pairs]) if self.pairs else None

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """The right answers by intent, held-out part, operator, difficulty and length."""
        if not self.pairs:
            return slices(self.model.rows)
        return slices([pair.model for pair in self.pairs], [pair.baseline for pair in self.pairs])

    @cached_property
    def misses(self) -> Mapping[Miss, Sequence[Row]]:
        """The model's answers that are not what was expected, by their class, the commonest first."""
        return classes(self.model.rows)

    @cached_property
    def floors(self) -> Mapping[str, tuple[Share, Share]]:
        """What echo and rules, which know nothing, reach: syntax valid answers and semantic matches."""
        return floors(self.model.rows)

    @property
    def table(self) -> str:
        """The table alone."""
        return table(
            ("Metric", *self.titles, "Target", "Status"),
            [(line.metric, line.model, line.baseline, line.target, line.status) for line in self.lines],
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands below the table, a line each."""
        sides = [(self.titles[0], self.model)]
        if self.baseline is not None:
            sides.append((self.titles[1], self.baseline))
        notes = [f"{title}: {figures(title, results)}" for title, results in sides]
        if self.left_out:
            common = f"the {len(self.pairs)} questions that both were asked"
            notes.append(f"Compared on {common}; {self.left_out} others left out")
        if self.verdicts:
            notes.append("Verdicts: " + ", ".join(f"{count} {kind}" for kind, count in self.verdicts.items()))
        for title, results in sides:
            notes += side_notes(title, results)
        return tuple(notes)

    def __str__(self) -> str:
        return "\n".join((self.table, *self.verdict_notes, *self.notes))

    def _repr_html_(self) -> str:
        """The table and its notes, for a notebook."""
        from .reporting.notebook import notebook

        return notebook(self)

    @property
    def verdict_notes(self) -> tuple[str, ...]:
        """What the figures are worth: intervals, significance, floors, misses; a line each."""
        notes = [str(judgement) for judgement in self.judgements]
        if self.paired is not None:
            notes.append(paired_note(self.paired, self.titles))
        notes += [
            f"Floor {name}: syntax valid {share(valid)}, semantic match {share(match)}"
            for name, (valid, match) in self.floors.items()
        ]
        if self.misses:
            counts = ", ".join(f"{len(rows)} {miss}" for miss, rows in self.misses.items())
            notes.append(f"Not what was expected: {counts}")
        if worse := [each for each in self.slices if each.p_value <= 0.05]:
            notes.append("Unlike the rest: " + ", ".join(slice_note(each) for each in worse))
        if (found := repeated(self.model)) is not None:
            notes.append(repeats_note(found))
        return tuple(notes)

    def differences(self, limit: int = 10) -> str:
        """The questions that only one of the two got right, at most `limit` of each, as text."""
        heads = {Verdict.FINE_TUNED_BETTER: self.titles[0], Verdict.BASELINE_BETTER: self.titles[1]}
        lines = []
        for kind, title in heads.items():
            pairs = self.with_verdict(kind)
            lines.append(f"Only {title} is right: {len(pairs)}")
            lines += [_difference(pair, self.titles) for pair in pairs[:limit]]
            lines += [f"  and {len(pairs) - limit} more"] if len(pairs) > limit else []
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """The figures, as plain JSON values."""
        return {
            "passed": self.passed,
            "titles": list(self.titles),
            "lines": [{**msgspec.to_builtins(line), "status": line.status} for line in self.lines],
            "model": self.model.summary(),
            "baseline": self.baseline.summary() if self.baseline else None,
            "verdicts": {str(kind): count for kind, count in self.verdicts.items()},
            "left_out": self.left_out,
            "judgements": msgspec.to_builtins(self.judgements),
            "paired": msgspec.to_builtins(self.paired),
            "slices": msgspec.to_builtins(self.slices),
            "misses": {str(miss): len(rows) for miss, rows in self.misses.items()},
            "floors": {
                name: {"syntax_valid": valid.value, "semantic_match": match.value}
                for name, (valid, match) in self.floors.items()
            },
            "repeats": msgspec.to_builtins(repeated(self.model)),
        }

    @property
    def rows(self) -> Sequence[tuple[Row, Row | None]]:
        """Each row of the model, with the baseline's on the same question; None without baseline."""
        if self.baseline is None:
            return [(row, None) for row in self.model.rows]
        return [(pair.model, pair.baseline) for pair in self.pairs]

    @staticmethod
    def history(folder: str | Path) -> tuple[Entry, ...]:
        """The whole evaluations of a folder, oldest first, a line each; see `nls_sdk.evaluation.history`."""
        return history(folder)

    def to_html(
        self,
        path: str | Path,
        *,
        training: Sequence[Progress] = (),
        provenance: Mapping[str, Any] | None = None,
        title: str = "Evaluation",
    ) -> Path:
        """Write the report as one HTML file that needs no network; see `nls_sdk.evaluation.reporting.html`.

        Args:
            path: The file.
            training: What the run that made the model told of its progress; its loss and learning rate are
                drawn.
            provenance: More of where the results come from, such as the run, its recipe and a commit.
            title: The page's head.

        Raises:
            EvaluationError: It cannot be written.
        """
        from .reporting.html import html

        return write_text(path, html(self, training=training, provenance=provenance, title=title))

    def to_junit(self, path: str | Path) -> Path:
        """Write the report as JUnit XML, for CI.

        Raises:
            EvaluationError: It cannot be written.
        """
        from .reporting.junit import junit

        return write_text(path, junit(self))

    def to_markdown(self, path: str | Path) -> Path:
        """Write the report as Markdown, for a pull request.

        Raises:
            EvaluationError: It cannot be written.
        """
        from .reporting.markdown import markdown

        return write_text(path, markdown(self))

    def to_json(self, path: str | Path) -> Path:
        """Write the report, its figures and all its rows, to a file that `from_json` reads.

        Raises:
            EvaluationError: It cannot be written.
        """
        baseline = self.baseline.to_json() if self.baseline else None
        body = {
            "schema": SCHEMA,
            "report": self.summary(),
            "model": self.model.to_json(),
            "baseline": baseline,
        }
        return write_text(path, msgspec.json.format(msgspec.json.encode(body), indent=1).decode())

    @classmethod
    def from_json(cls, path: str | Path) -> Report:
        """Read back what `to_json` wrote.

        Raises:
            EvaluationError: There is no such file, or it is not a report.
        """
        file = Path(path)
        try:
            body = json.loads(file.read_bytes())
            model = Results.from_json(body["model"])
            baseline = body["baseline"] and Results.from_json(body["baseline"])
            pairs = tuple(Pair(*rows) for rows in pair_rows(model, baseline)) if baseline else ()
            one, other = body["report"]["titles"]
            return cls(model, baseline, (one, other), body["report"]["left_out"], pairs)
        except OSError as error:
            raise EvaluationError(f"{file}: cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EvaluationError(f"{file}: not a report: {error}.") from None


def _difference(pair: Pair, titles: Sequence[str]) -> str:
    rows = zip(titles, (pair.model, pair.baseline), strict=True)
    answers = "".join(f"\n    {title}: {row.error or row.actual}{_faults(row)}" for title, row in rows)
    return f"  {pair.model.question}\n    expected: {pair.model.expected}{answers}"


def _faults(row: Row) -> str:
    """What the server refuses or silently does not do in an answer, each with its place and fix."""
    return "" if row.failed else "".join(f"\n      {finding}" for finding in findings(row.actual))
