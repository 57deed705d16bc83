"""The local provider: nls_sdk's jobs on this machine."""

from __future__ import annotations

from .provider import LocalProvider

__all__ = ["LocalProvider"]
