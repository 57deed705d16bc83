"""The languages of ``lang:``: Linguist's public table; ``languages.json`` has its source and licence."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

_LONGEST_ALIAS = 40
_SHORTEST_SLIP = 4  # in fewer letters, a word with another letter is another word


@cache
def _linguist() -> dict[str, dict[str, list[str]]]:
    text = files("nls_sdk.sourcegraph").joinpath("languages.json").read_text("utf-8")
    languages: dict[str, dict[str, list[str]]] = json.loads(text)["languages"]
    return languages


@cache
def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for name, entry in _linguist().items():
        for alias in (name, *entry["aliases"]):
            table.setdefault(_key(alias), name)
    return table


@cache
def _by_extension() -> dict[str, str]:
    """Languages by their extensions: those whose first one it is go first, then those with the most."""
    ranked = [
        (rank > 0, -len(entry["extensions"]), extension.removeprefix("."), name)
        for name, entry in _linguist().items()
        for rank, extension in enumerate(entry["extensions"])
    ]
    found: dict[str, str] = {}
    for _, _, extension, name in sorted(ranked, key=lambda each: each[:2]):
        found.setdefault(extension, name)
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
    """A language that ``alias`` may have meant: one with that extension, or one slip of the pen away.

    A slip is a letter too many, too few, wrong or out of its place.
    """
    key = _key(alias).strip("\".'")
    if name := _by_extension().get(key):
        return name
    if not _SHORTEST_SLIP <= len(key) <= _LONGEST_ALIAS + 1:
        return None
    near = [key, *_without_a_letter(key)]
    return next((table[each] for table in (_table(), _by_stump()) for each in near if each in table), None)


@cache
def _by_stump() -> dict[str, str]:
    found: dict[str, str] = {}
    for key, name in _table().items():
        for stump in _without_a_letter(key):
            found.setdefault(stump, name)
    return found


def _without_a_letter(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]


def spellings() -> dict[str, tuple[str, ...]]:
    """Every language with every spelling that names it, in lower case."""
    found: dict[str, list[str]] = {}
    for key, name in _table().items():
        found.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in found.items()}
