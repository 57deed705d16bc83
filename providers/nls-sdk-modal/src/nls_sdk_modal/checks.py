"""What `verify env` says of Modal: each finding with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator

from nls_sdk.providers import Check

from .options import Options


def checks(options: Options) -> Iterator[Check]:
    """Findings."""
    yield Check("modal", "ok", "there")
