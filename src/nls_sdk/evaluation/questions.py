"""Questions: which of a dataset's are asked, in which order, and what answers them already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from attrs import evolve, field, frozen

from ..dataset import Dataset, Example
from ..translator import Translator
from .asking import unanswered
from .journal import Header
from .results import Results, Row, pair_rows


@frozen
class Questions:
    """What is asked, and in which order.

    Attributes:
        dataset: The questions.
        order: Their places in the order in which they are asked.
        repeats: How often each is asked.
    """

    dataset: Dataset
    order: list[int] = field(repr=False)
    repeats: int

    def header(self, translator: Translator, seed: int) -> Header:
        """What a journal's first line says of an asking that begins now."""
        source = self.dataset.source
        return Header(
            name=translator.name,
            asked=len(self.order) * self.repeats,
            fingerprint=self.dataset.fingerprint,
            created=datetime.now(UTC),
            source=str(source) if source else None,
            parameters=parameters_of(translator),
            repeats=self.repeats,
            seed=seed,
        )

    def answered_by(self, known: Results) -> dict[int, Row]:
        """The rows of earlier results that answer these questions, by their places."""
        asked = [
            unanswered(example, repeat) for _, repeat, example in sorted(self.turns(), key=itemgetter(0))
        ]
        places = {id(row): place for place, row in enumerate(asked)}
        mine = Results(
            name="", rows=tuple(asked), asked=len(asked), fingerprint="", created=datetime.now(UTC)
        )
        return {
            places[id(row)]: evolve(theirs, metadata=row.metadata, line=row.line, repeat=row.repeat)
            for row, theirs in pair_rows(mine, known)
            if not theirs.failed
        }

    def turns(self) -> Iterator[tuple[int, int, Example]]:
        """Each place, which asking it is, and the example, in the order in which they are asked."""
        for repeat in range(self.repeats):
            for place in self.order:
                yield repeat * len(self.order) + place, repeat, self.dataset[place]


def parameters_of(translator: Translator) -> dict[str, Any]:
    """What a translator says of what decides its answers."""
    return dict(getattr(translator, "parameters", None) or {})
