"""The Sourcegraph query language, as far as judging a query needs it."""

from __future__ import annotations

from .operators import ADVICE, OPERATORS, Hallucination, hallucinations, operators

__all__ = ["ADVICE", "OPERATORS", "Hallucination", "hallucinations", "operators"]
