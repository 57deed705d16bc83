"""What all commands share: the options `--provider`, `--option`, `--config`, `--json`, and what follows."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import shlex
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError, NlsError, PluginBroken
from ..providers import DemoProvider, Provider
from ..recipe import Recipe
from ..settings import Settings, load_env, override, parse_assignment, require_pairs

DEMO = Path("demo")
"""The `--recipe` that no file has: the provider's for a demo."""


class App:
    """One call of the console script.

    Attributes:
        as_json: Whether stdout is for a machine.
        made: A provider that stands in for the named one.
        variables: Where each environment variable that matters came from.
    """

    def __init__(
        self,
        *,
        provider: str | None = None,
        options: Iterable[str] = (),
        config: Path | None = None,
        as_json: bool = False,
        made: Provider | None = None,
    ) -> None:
        """Load `.env` and take what the shared options say.

        Args:
            provider: `--provider`.
            options: `--option`, each `KEY=VALUE`.
            config: `--config`.
            as_json: `--json`.
            made: A provider that stands in for the named one.
        """
        self.as_json = as_json
        self.made = made
        self._flag, self._options, self._config = provider, list(options), config
        self.variables = load_env(Path.cwd())

    def at(self, provider: str) -> App:
        """The same call, at this provider unless the arguments name one."""
        return App(
            provider=self._flag or provider,
            options=self._options,
            config=self._config,
            as_json=self.as_json,
            made=self.made,
        )

    @cached_property
    def settings(self) -> Settings:
        """What the config file says, or the defaults."""
        return Settings.from_toml(self._config) if self._config else Settings.find(Path.cwd())

    @property
    def provider_name(self) -> str:
        """The provider in force."""
        if self.made is not None:
            return self.made.name
        return self._flag or os.environ.get("NLS_PROVIDER") or self.settings.provider

    @property
    def provider_options(self) -> dict[str, Any]:
        """What the provider is made with: the config's table, and every `--option` over it."""
        given = dict(parse_assignment(text, example="--option home=/srv/nls") for text in self._options)
        return {**self.settings.providers.get(self.provider_name, {}), **given}

    @cached_property
    def provider(self) -> Provider:
        """The provider itself, made once."""
        if self.made is not None:
            return self.made
        from ..plugins import provider

        require_pairs(self.provider_name)
        return provider(self.provider_name, **self.provider_options)

    def recipe(self, file: Path | None, assignments: Iterable[str]) -> Recipe:
        """The recipe of `--recipe`, else of the config file, with every `--set` applied."""
        if file is None:
            recipe = self.settings.recipe
        elif file == DEMO and not file.exists():
            found = self.demo_recipe()
            if found is None:
                raise ConfigError(
                    f"The provider {self.provider.name!r} has no recipe for a demo.",
                    hint="Leave --recipe out, or name a TOML file of hyperparameters.",
                )
            recipe = found
        else:
            recipe = Recipe.from_toml(file)
        return override(recipe, assignments)

    def demo_recipe(self) -> Recipe | None:
        """What the provider holds fit for a demo on it; None when it says nothing of demos.

        Raises:
            PluginBroken: What it gives is no recipe.
        """
        provider = self.provider
        if not isinstance(provider, DemoProvider):
            return None
        found: object = provider.demo_recipe()
        if not isinstance(found, Recipe):
            raise PluginBroken(
                f"demo_recipe() of the provider {provider.name!r} gave no Recipe but {type(found).__name__}."
            )
        return found

    def command(self, *words: str) -> str:
        """How the user says the next command, with what was said about the provider for this one."""
        flags = ["--provider", self._flag] if self._flag else []
        flags += ["--config", str(self._config)] if self._config else []
        flags += [word for option in self._options for word in ("--option", option)]
        return shlex.join(["nls-finetune", *words, *flags])

    def runnable(self, hint: str) -> str:
        """A hint with its commands, which stand in backticks, as this user says them."""

        def said(found: re.Match[str]) -> str:
            return f"`{self.command(*shlex.split(found[1])[1:])}`"

        return re.sub(r"`(nls-finetune [^`]+)`", said, hint)

    def tell(self, text: str = "") -> None:
        """Say something to a person, on stderr."""
        click.echo(text, err=True)

    def answer(self, values: Any, text: str) -> None:
        """Give the command's answer on stdout: the values to a machine, the text to a person."""
        click.echo(json.dumps(values, ensure_ascii=False) if self.as_json else text)


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all have; it is called with the `App` first."""

    @click.option("--provider", metavar="NAME", help="Where to run; else NLS_PROVIDER, else the config file.")
    @click.option(
        "--option", "options", metavar="KEY=VALUE", multiple=True, help="An option of the provider."
    )
    @click.option("--config", type=_FILE, help="Config file, in place of the nearest nls-finetune.toml.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else there.")
    @click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
    @click.pass_context
    @functools.wraps(function)
    def command(
        ctx: click.Context,
        /,
        *,
        provider: str | None,
        options: tuple[str, ...],
        config: Path | None,
        as_json: bool,
        **rest: Any,
    ) -> None:
        made = ctx.find_root().obj
        options = (*options, *ctx.meta.get(_LIMITS, ()))
        app = App(provider=provider, options=options, config=config, as_json=as_json, made=made)
        try:
            function(app, **rest)
        except NlsError as error:
            error.hint = app.runnable(error.hint)
            raise

    return command


_FILE = click.Path(path_type=Path, dir_okay=False)
_LIMITS = "nls_sdk.limits"

train_file = click.option("--train", "train_path", type=_FILE, help="Training data, in place of the usual.")
val_file = click.option("--val", "val_path", type=_FILE, help="Validation data, in place of the usual.")
run_name = click.option("--run-name", required=True, metavar="NAME", help="The run's name.")
detach = click.option("--detach", is_flag=True, help="Start it, print its reference, and leave.")


def recipe_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--recipe` and `--set`, as `recipe_file` and `assignments`."""
    function = click.option(
        "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change a hyperparameter."
    )(function)
    return click.option(
        "--recipe",
        "recipe_file",
        type=_FILE,
        help="A TOML file of hyperparameters, in place of the config's; `demo`: the provider's for a demo.",
    )(function)


class Amount(click.FloatRange):
    """A number that there can be of something: neither infinite nor `nan`, which click lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, as click wants it."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


def limits(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--max-cost` and `--max-duration`; they become options of the provider."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: float | None) -> None:
        if value is not None:
            ctx.meta.setdefault(_LIMITS, []).append(f"{parameter.name}={value}")

    for flag, metavar, what in (
        ("--max-duration", "SECONDS", "Machine time"),
        ("--max-cost", "DOLLARS", "Price of the machine time"),
    ):
        function = click.option(
            flag,
            type=Amount(0, min_open=True),
            metavar=metavar,
            expose_value=False,
            callback=keep,
            help=f"{what} after which it is stopped, at a provider that bills.",
        )(function)
    return function
