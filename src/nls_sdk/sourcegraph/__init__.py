"""The Sourcegraph query language, as the server reads it.

- `parse` reads a query into a syntax tree; `validate` finds why the server would refuse it, `lint` what it
  silently does not do.
- `canonical` and `equivalent` compare meaning; `format` renders cleanly; `explain` says it in English.
- `grammar` is a grammar for constrained decoding, in which every sentence is valid and lint-clean.
"""

from .canonical import canonical, equivalent
from .explain import explain
from .findings import Finding, QueryError
from .formatting import format
from .grammar import grammar
from .lint import lint
from .reading import Query, parse
from .syntax import Filter, Form, Kind, Operator, Pattern, PatternType, Predicate
from .validation import validate

__all__ = [
    "Filter",
    "Finding",
    "Form",
    "Kind",
    "Operator",
    "Pattern",
    "PatternType",
    "Predicate",
    "Query",
    "QueryError",
    "canonical",
    "equivalent",
    "explain",
    "format",
    "grammar",
    "lint",
    "parse",
    "validate",
]
