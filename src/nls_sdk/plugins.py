"""Providers and baselines, found through entry points: names first, imports late.

A distribution registers a factory (usually a class) under a name:

    [project.entry-points."nls_sdk.providers"]
    toy = "nls_sdk_toy:ToyProvider"

The group for baselines is `nls_sdk.baselines`. A plugin that cannot be used hurts nobody else.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

from .errors import (
    ConfigError,
    NlsError,
    PluginBroken,
    PluginCollision,
    PluginError,
    PluginIncompatible,
    PluginNotFound,
)
from .providers import API_VERSION, Provider, missing_methods
from .translator import Translator

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

Role: TypeAlias = Literal["provider", "baseline"]
GROUPS: dict[Role, str] = {"provider": "nls_sdk.providers", "baseline": "nls_sdk.baselines"}


@frozen
class PluginInfo:
    """A registered plugin and whether it can be used.

    Attributes:
        role: `provider` or `baseline`.
        name: What it is called by.
        distribution: The installed distribution that registers it, with its version.
        target: What its entry point names.
        problem: Why it cannot be used; empty when it can.
    """

    role: Role
    name: str
    distribution: str
    target: str
    problem: str = ""


def provider(name: str, **options: Any) -> Provider:
    """Make the provider that is registered under a name.

    Args:
        name: Its name, such as `local`.
        options: Passed to the plugin.

    Raises:
        PluginError: It is absent, broken, registered twice, or made for another API version.
        ConfigError: It has no such option, or refuses the value.
    """
    made: Provider = _make("provider", name, options)
    return made


def baseline(name: str, **options: Any) -> Translator:
    """Make the baseline that is registered under a name.

    Args:
        name: Its name, such as `openai`.
        options: Passed to the plugin.

    Raises:
        PluginError: It is absent, broken, registered twice, or made for another API version.
        ConfigError: It has no such option, or refuses the value.
    """
    made: Translator = _make("baseline", name, options)
    return made


def check_options(role: Role, name: str, options: Mapping[str, Any]) -> None:
    """Whether a plugin has these options; it is imported and not made, so their values are not tried.

    Raises:
        PluginError: It cannot be used.
        ConfigError: It has no such option, or lacks one that it needs.
    """
    _bind(role, name, _load(role, _find(role, name)), options)


def installed() -> Sequence[PluginInfo]:
    """All registered plugins with their state; this imports each of them."""
    return [_inspect(role, point) for role in GROUPS for point in _entry_points(role)]


def _entry_points(role: Role) -> list[EntryPoint]:
    from importlib_metadata import entry_points

    # A distribution can be seen twice on sys.path, so equal registrations count once.
    unique = {
        (point.name, point.value, _distribution(point)): point for point in entry_points(group=GROUPS[role])
    }
    return sorted(unique.values(), key=lambda point: (point.name, _distribution(point)))


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _find(role: Role, name: str) -> EntryPoint:
    points = _entry_points(role)
    match [point for point in points if point.name == name]:
        case [point]:
            return point
        case []:
            names = sorted({point.name for point in points})
            hint = f"Choose one that is installed, or install a package that registers it in {GROUPS[role]}."
            if near := get_close_matches(name, names, n=1):
                hint = f"Did you mean {near[0]!r}?"
            raise PluginNotFound(
                f"No {role} called {name!r} is installed (installed: {', '.join(names) or 'none'}).",
                hint=hint,
            )
        case several:
            owners = " and ".join(sorted(_distribution(point) for point in several))
            raise PluginCollision(
                f"The {role} name {name!r} is registered by {owners}.", hint="Uninstall all but one of them."
            )


def _load(role: Role, point: EntryPoint) -> Any:
    """The plugin's factory, imported and of this API's version."""
    try:
        factory = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module that calls sys.exit hurts nobody else either
        raise PluginBroken(
            f"The {role} {point.name!r} of {_distribution(point)} cannot be imported: "
            f"{type(error).__name__}: {error}",
            hint=f"Upgrade or uninstall {point.dist.name if point.dist else 'its package'}.",
        ) from error
    version = getattr(factory, "api_version", None)
    if version != API_VERSION:
        said = "states no api_version" if version is None else f"is written for plugin API {version}"
        raise PluginIncompatible(
            f"The {role} {point.name!r} of {_distribution(point)} {said}; "
            f"this nls-sdk has plugin API {API_VERSION}.",
            hint="Upgrade the older of the two packages.",
        )
    if isinstance(factory, type) and not hasattr(factory, "__getattr__"):
        _hold_to_contract(role, point, factory)
    return factory


def _make(role: Role, name: str, options: dict[str, Any]) -> Any:
    point = _find(role, name)
    factory = _load(role, point)
    _bind(role, name, factory, options)
    try:
        made = factory(**options)
    except (NlsError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginBroken(
            f"The {role} {name!r} of {_distribution(point)} cannot be made: {type(error).__name__}: {error}"
        ) from error
    _hold_to_contract(role, point, made)
    return made


def _hold_to_contract(role: Role, point: EntryPoint, value: Any) -> None:
    """Refuse what lacks a method of the contract, or a provider that calls itself something else.

    Args:
        role: What it is registered as.
        point: Where it is registered.
        value: What was made, or the class that makes it; a class need not have its `name` yet.
    """
    owner = f"The {role} {point.name!r} of {_distribution(point)}"
    missing = missing_methods(value) if role == "provider" else _without_translate(value)
    if missing:
        raise PluginBroken(
            f"{owner} is no {role}: it lacks {', '.join(missing)}.",
            hint="docs/write-a-provider.md says what each method promises.",
        )
    name = getattr(value, "name", None)
    known = isinstance(name, str) or not isinstance(value, type)
    if role == "provider" and known and name != point.name:
        raise PluginBroken(
            f"{owner} calls itself {name!r}.", hint="Its `name` must be the one that it is registered under."
        )


def _without_translate(value: Any) -> list[str]:
    return [] if callable(getattr(value, "translate", None)) else ["translate"]


def _bind(role: Role, name: str, factory: Any, options: Mapping[str, Any]) -> None:
    """Refuse options that the factory's signature does not have, or lacks."""
    try:
        signature = inspect.signature(factory)
    except ValueError:
        return  # some callables written in C show no signature
    try:
        signature.bind(**options)
    except TypeError as error:
        named = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        ]
        raise ConfigError(
            f"The {role} {name!r} cannot take these options: {error}.",
            hint=f"Its options are {', '.join(named)}." if named else "It has no options.",
        ) from None


def _inspect(role: Role, point: EntryPoint) -> PluginInfo:
    try:
        _load(role, _find(role, point.name))
        problem = ""
    except PluginError as error:
        problem = error.message
    return PluginInfo(role, point.name, _distribution(point), point.value, problem)
