"""The Modal provider: nls_sdk's jobs on Modal's GPUs, and models behind its endpoints."""

from __future__ import annotations

from .provider import ModalProvider

__all__ = ["ModalProvider"]
