"""`plugins`: what is installed."""

from __future__ import annotations

import attrs
import click

from ..plugins import installed
from .app import App, shared
from .table import table


@click.command()
@shared
def plugins(app: App) -> None:
    """List the installed providers and baselines."""
    found = installed()
    rows = [(p.role, p.name, p.distribution, p.problem or "ok") for p in found]
    app.answer(
        [attrs.asdict(plugin) for plugin in found],
        table(("ROLE", "NAME", "PACKAGE", "STATE"), rows) if rows else "No plugin is installed.",
    )
