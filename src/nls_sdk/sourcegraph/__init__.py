"""The Sourcegraph query language, as the server reads it.

- `parse` reads a query into a syntax tree; `validate` finds why the server would refuse it, `lint` what it
  silently does not do.
- `canonical` and `equivalent` compare meaning; `format` renders cleanly; `explain` says it in English.
- `grammar` is a grammar for constrained decoding, in which every sentence is valid and lint-clean.
- `operators`, `hallucinations` and their lists define `syntax_valid`, apart from all that.

The parser's modules are loaded when one of their names is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .operators import ADVICE, OPERATORS, Hallucination, hallucinations, operators

if TYPE_CHECKING:
    from .comparing import canonical as canonical
    from .comparing import equivalent as equivalent
    from .decoding import grammar as grammar
    from .explaining import explain as explain
    from .findings import Finding as Finding
    from .findings import QueryError as QueryError
    from .formatting import format as format
    from .linting import lint as lint
    from .reading import parse as parse
    from .syntax import Filter as Filter
    from .syntax import Form as Form
    from .syntax import Kind as Kind
    from .syntax import Operator as Operator
    from .syntax import Pattern as Pattern
    from .syntax import PatternType as PatternType
    from .syntax import Predicate as Predicate
    from .syntax import Query as Query
    from .validation import validate as validate

_ROOMS = {
    "Filter": "syntax",
    "Finding": "findings",
    "Form": "syntax",
    "Kind": "syntax",
    "Operator": "syntax",
    "Pattern": "syntax",
    "PatternType": "syntax",
    "Predicate": "syntax",
    "Query": "syntax",
    "QueryError": "findings",
    "canonical": "comparing",
    "equivalent": "comparing",
    "explain": "explaining",
    "format": "formatting",
    "grammar": "decoding",
    "lint": "linting",
    "parse": "reading",
    "validate": "validation",
}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]  # it reads the imports above instead
    "ADVICE",
    "OPERATORS",
    "Hallucination",
    "hallucinations",
    "operators",
    *_ROOMS,
]


def __getattr__(name: str) -> Any:
    """Load what is asked for from the module that holds it (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    globals()[name] = value
    return value
