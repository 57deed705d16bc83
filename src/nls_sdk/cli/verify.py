"""`verify`: checks before the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs
import click

from ..errors import NlsError
from ..providers import Check
from ..recipe import Recipe
from ..settings import DataPaths, Settings
from ..verify import failed, guarded, verify_config, verify_data, verify_env, verify_provider, verify_volumes
from .app import App, recipe_options, shared, train_file, val_file
from .words import many

T = TypeVar("T")
_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "failed": ("FAILED", "red")}


def _data_options(function: Callable[..., None]) -> Callable[..., None]:
    function = click.option(
        "--limit", default=20, show_default=True, type=click.IntRange(1), help="Findings of each kind."
    )(function)
    return train_file(val_file(recipe_options(function)))


@click.group()
def verify() -> None:
    """Check the environment, data, config and volumes."""


@verify.command()
@shared
def env(app: App) -> None:
    """Check environment variables, plugins and the provider."""
    _conclude(app, _env(app))


@verify.command()
@_data_options
@shared
def data(
    app: App,
    train_path: Path | None,
    val_path: Path | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    limit: int,
) -> None:
    """Check every line of the training and validation data."""
    recipe = app.recipe(recipe_file, assignments)
    _conclude(app, _data(app, app.settings, recipe, train_path, val_path, limit))


@verify.command()
@recipe_options
@shared
def config(app: App, recipe_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Check the config file and the recipe."""
    _conclude(app, _config(app, recipe_file, assignments))


@verify.command()
@shared
def volumes(app: App) -> None:
    """Check that the provider stores a file and gives it back."""
    _conclude(app, guarded("volumes", lambda: verify_volumes(app.provider)))


@verify.command(name="all")
@_data_options
@shared
def everything(
    app: App,
    train_path: Path | None,
    val_path: Path | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    limit: int,
) -> None:
    """Run every check, print every finding, and fail if one failed."""
    checks = _config(app, recipe_file, assignments)
    # A wrong config is a finding of its own; the data is still looked at, with the defaults.
    settings = _or(lambda: app.settings, Settings())
    recipe = _or(lambda: app.recipe(recipe_file, assignments), Recipe())
    checks += guarded("env", lambda: _env(app))
    checks += _data(app, settings, recipe, train_path, val_path, limit)
    checks += guarded("volumes", lambda: verify_volumes(app.provider))
    _conclude(app, checks)


def _env(app: App) -> list[Check]:
    if app.made:
        return verify_provider(app.provider)
    return verify_env(app.provider_name, options=app.provider_options, sources=app.variables)


def _config(app: App, recipe_file: Path | None, assignments: tuple[str, ...]) -> list[Check]:
    def load() -> Settings:
        return attrs.evolve(app.settings, recipe=app.recipe(recipe_file, assignments))

    return verify_config(load, make=lambda: app.provider if app.provider_options else None)


def _data(
    app: App, settings: Settings, recipe: Recipe, train: Path | None, val: Path | None, limit: int
) -> list[Check]:
    paths = DataPaths(train=train or settings.data.train, val=val or settings.data.val)
    provider = _or(lambda: app.provider, None)
    checks = verify_data(paths, recipe=recipe, provider=provider, limit=limit)
    if provider is None:
        checks.append(Check("estimate", "warning", f"none: provider {app.provider_name} cannot be used"))
    return checks


def _or(make: Callable[[], T], otherwise: T) -> T:
    try:
        return make()
    except NlsError:
        return otherwise


def _conclude(app: App, checks: list[Check]) -> None:
    bad = failed(checks)
    lines = [_line(check) for check in checks]
    count = sum(check.status == "failed" for check in checks)
    whole = many(len(checks), "check")
    lines.append(f"{count} of {whole} failed." if bad else f"{whole} passed.")
    app.answer({"ok": not bad, "checks": [attrs.asdict(check) for check in checks]}, "\n".join(lines))
    if bad:
        raise SystemExit(1)


def _line(check: Check) -> str:
    word, color = _MARKS[check.status]
    fix = f"\n         {check.fix}" if check.fix and check.status != "ok" else ""
    return f"{click.style(f'{word:8}', fg=color)} {check.name}: {check.message}{fix}"
