"""The Modal provider: nls_sdk's jobs on Modal's GPUs, and models behind its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .provider import ModalProvider

__all__ = ["ModalProvider"]


def __getattr__(name: str) -> Any:
    """Import the provider when it is asked for: containers import this package, and need none of it."""
    if name != "ModalProvider":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .provider import ModalProvider

    return ModalProvider
