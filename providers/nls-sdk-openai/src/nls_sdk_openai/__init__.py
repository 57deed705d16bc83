"""A baseline for nls_sdk: GPT-4o-mini, or any model behind an OpenAI-compatible API."""

from __future__ import annotations

from .baseline import SYSTEM_PROMPT, OpenAIBaseline

__all__ = ["SYSTEM_PROMPT", "OpenAIBaseline"]
