"""The languages that ``lang:`` knows: Linguist's public table (``languages.json`` says which, and its licence)."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from importlib.resources import files


@cache
def _table() -> dict[str, str]:
    languages = json.loads(files(__package__).joinpath("languages.json").read_text("utf-8"))["languages"]
    table: dict[str, str] = {}
    for name, entry in languages.items():
        for alias in (name, *entry["aliases"]):
            table.setdefault(_key(alias), name)
    return table


@cache
def _by_extension() -> dict[str, str]:
    languages = json.loads(files(__package__).joinpath("languages.json").read_text("utf-8"))["languages"]
    found: dict[str, str] = {}
    for name, entry in sorted(languages.items(), key=lambda item: -len(item[1]["extensions"])):
        for rank, extension in enumerate(entry["extensions"]):
            if rank == 0 or extension not in found:
                found[extension.removeprefix(".")] = name
    return found


def _key(alias: str) -> str:
    return alias.split(",", 1)[0].lower().replace(" ", "_")


def language(alias: str) -> str | None:
    """The language that a value of ``lang:`` names, as the server looks it up.

    Args:
        alias: A name or an alias, in any case; the server ignores what follows a comma.

    Returns:
        Linguist's name of it, such as ``Objective-C``, or None when there is no such language.
    """
    return _table().get(_key(alias))


def suggestion(alias: str) -> str | None:
    """A language that somebody who wrote ``alias`` may have meant: by its extension, or by a near spelling."""
    key = _key(alias).strip('".')
    if name := _by_extension().get(key):
        return name
    close = get_close_matches(key, _table(), n=1, cutoff=0.7)
    return _table()[close[0]] if close else None


def spellings() -> dict[str, tuple[str, ...]]:
    """Every language with every spelling that names it, in lower case."""
    found: dict[str, list[str]] = {}
    for key, name in _table().items():
        found.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in found.items()}
