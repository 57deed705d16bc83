"""Writes what docs/commands.md says of each command: `python -m nls_sdk.cli.reference docs/commands.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .root import HELP, cli

MARK = "<!-- From here on: python -m nls_sdk.cli.reference docs/commands.md -->\n"
_WIDTH = 100


def reference() -> str:
    """The `--help` of every command, as Markdown."""
    return "\n".join(f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in _helps(cli, "nls-finetune"))


def _helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    ctx = click.Context(
        command, info_name=path, terminal_width=_WIDTH, max_content_width=_WIDTH, help_option_names=HELP
    )
    yield path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            yield from _helps(child, f"{path} {name}")


def rewrite(text: str) -> str:
    """The page with its made part made anew."""
    return text.partition(MARK)[0] + MARK + "\n" + reference()


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(rewrite(page.read_text("utf-8")), "utf-8")
