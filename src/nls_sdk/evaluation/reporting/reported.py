"""Reported: what a report tells to whoever writes it down; `nls_sdk.Report` is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..analysis import Judgement, Paired, Slice
from ..misses import Miss
from ..results import Results, Row, Share


class Reported(Protocol):
    """The part of a `Report` that is written down; its attributes are described there."""

    @property
    def model(self) -> Results:
        """The model's results."""
        ...

    @property
    def baseline(self) -> Results | None:
        """The baseline's; None without baseline."""
        ...

    @property
    def titles(self) -> tuple[str, str]:
        """Heads of the two columns."""
        ...

    @property
    def passed(self) -> bool:
        """Whether the model meets every target."""
        ...

    @property
    def lines(self) -> Sequence[Any]:
        """The rows of the table."""
        ...

    @property
    def judgements(self) -> Sequence[Judgement]:
        """What the figures say of the targets."""
        ...

    @property
    def paired(self) -> Paired | None:
        """Whether the two differ by more than chance."""
        ...

    @property
    def slices(self) -> Sequence[Slice]:
        """The right answers by slice."""
        ...

    @property
    def misses(self) -> Mapping[Miss, Sequence[Row]]:
        """The answers that are not what was expected, by class."""
        ...

    @property
    def floors(self) -> Mapping[str, tuple[Share, Share]]:
        """What translators that know nothing reach."""
        ...

    @property
    def verdicts(self) -> Mapping[Any, int]:
        """Questions by their verdict."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What stands below the table."""
        ...

    @property
    def verdict_notes(self) -> Sequence[str]:
        """What the figures are worth."""
        ...

    @property
    def rows(self) -> Sequence[tuple[Row, Row | None]]:
        """Each row of the model, with the baseline's on the same question."""
        ...
