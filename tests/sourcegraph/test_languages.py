"""Linguist's table."""

import pytest

from nls_sdk.sourcegraph.languages import language, spellings, suggestion


def test_names_and_aliases() -> None:
    assert language("Objective-C") == language("obj-c") == "Objective-C"
    assert language("c++") == language("CPP") == "C++"
    assert language("visual basic .net") == language("visual_basic_.net") == "Visual Basic .NET"
    assert language("go,python") == "Go"
    assert language("py") is None


def test_suggestions() -> None:
    assert suggestion("py") == "Python"
    assert suggestion("javasript") == "JavaScript"
    assert suggestion("pyton") == "Python"
    assert suggestion("haskelll") == suggestion("haksell") == suggestion("haskeli") == "Haskell"
    assert suggestion("qqqq") is None


@pytest.mark.parametrize(
    ("extension", "name"),
    [
        ("pl", "Perl"),
        ("cs", "C#"),
        ("h", "C"),
        ("fs", "F#"),
        ("ml", "OCaml"),
        ("ex", "Elixir"),
        (".kt", "Kotlin"),
    ],
)
def test_an_extension_suggests_its_best_known_language(extension: str, name: str) -> None:
    assert suggestion(extension) == name


@pytest.mark.parametrize("text", ["", "k8s", "x1", '"'])
def test_a_short_word_is_no_slip_of_the_pen(text: str) -> None:
    assert suggestion(text) is None


def test_every_spelling_names_its_language() -> None:
    table = spellings()
    assert len(table) > 700
    assert all(language(key) == name for name, keys in table.items() for key in keys)
    assert all(language(name) == name for name in table)
