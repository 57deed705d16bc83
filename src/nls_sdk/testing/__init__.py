"""For tests: suites that plugin authors inherit, a provider that lives in memory, a model of random weights.

The suites need pytest; the rest does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fake import FakeProvider
from .random_model import make_random_model

if TYPE_CHECKING:
    from .baseline_contract import BaselineContract as BaselineContract
    from .provider_contract import ProviderContract as ProviderContract

__all__ = ["BaselineContract", "FakeProvider", "ProviderContract", "make_random_model"]

_SUITES = {"BaselineContract": "baseline_contract", "ProviderContract": "provider_contract"}


def __getattr__(name: str) -> Any:
    """Load a suite when it is asked for, its asserts rewritten so that a failure shows both sides."""
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    import pytest

    module = f"{__name__}.{_SUITES[name]}"
    pytest.register_assert_rewrite(module, f"{__name__}.waiting")
    return getattr(import_module(module), name)
