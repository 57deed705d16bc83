"""What is wrong with a query: a finding has a kind, a place, a message and the fix in words."""

from __future__ import annotations

from attrs import frozen

from ..errors import NlsError


@frozen
class Finding:
    """One thing that is wrong with a query, or that it silently does not do.

    Attributes:
        kind: A stable word for the rule, such as ``bad_regexp``.
        start: Where it begins: an offset into the query, in characters, from 0.
        end: Where it ends, one past the last character.
        message: What happens, in plain English.
        fix: What to write instead.
    """

    kind: str
    start: int
    end: int
    message: str
    fix: str

    def __str__(self) -> str:
        return f"column {self.start + 1}: {self.message} {self.fix} [{self.kind}]"


class QueryError(NlsError):
    """The server refuses the query.

    Attributes:
        finding: The rule that it breaks, and where.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"column {finding.start + 1}: {finding.message}", hint=finding.fix)
        self.finding = finding
