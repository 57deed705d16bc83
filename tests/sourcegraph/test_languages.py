"""Linguist's table."""

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


def test_every_spelling_names_its_language() -> None:
    table = spellings()
    assert len(table) > 700
    assert all(language(key) == name for name, keys in table.items() for key in keys)
    assert all(language(name) == name for name in table)
