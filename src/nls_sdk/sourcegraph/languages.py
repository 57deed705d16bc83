"""The languages of ``lang:``: Linguist's public table; ``languages.json`` has its source and licence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_LETTERS = "abcdefghijklmnopqrstuvwxyz_+-#"
_LONGEST_ALIAS = 40


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
    found: dict[str, str] = {}
    for name, entry in sorted(_linguist().items(), key=lambda item: -len(item[1]["extensions"])):
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
    """A language that ``alias`` may have meant: one with that extension, or one slip of the pen away."""
    key = _key(alias).strip("\".'")
    if name := _by_extension().get(key):
        return name
    table = _table()
    return next((table[near] for near in _one_slip_away(key) if near in table), None)


def _one_slip_away(word: str) -> Iterator[str]:
    if len(word) > _LONGEST_ALIAS + 1:
        return
    for i in range(len(word) + 1):
        head, tail = word[:i], word[i:]
        for letter in _LETTERS:
            yield head + letter + tail
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in _LETTERS)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]


def spellings() -> dict[str, tuple[str, ...]]:
    """Every language with every spelling that names it, in lower case."""
    found: dict[str, list[str]] = {}
    for key, name in _table().items():
        found.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in found.items()}
