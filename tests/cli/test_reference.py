"""docs/commands.md says what the commands' own `--help` says."""

from __future__ import annotations

from pathlib import Path

from nls_sdk.cli.reference import rewrite

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text("utf-8")
    assert text == rewrite(text), "run: python -m nls_sdk.cli.reference docs/commands.md"
