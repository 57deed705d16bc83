"""Queries in plain English."""

import pytest
from hypothesis import given
from sourcegraph.strategies import PATTERN_TYPES, TEXTS

from nls_sdk.sourcegraph import explain


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ('lang:python "async def" -file:test', ["in Python", "not in files matching test", '"async def"']),
        ("type:diff author:alice after:2024-01-01 fix", ["diffs", "alice", "after 2024-01-01"]),
        ("(repo:a OR repo:b) x", ["matching a.", "Or else", "matching b."]),
        ("repo:a@v1:v2 /x+/", ["at v1 and v2", "a match of /x+/"]),
        ("bug after:2023-01-01", ["refuses", "column 5", "type:commit"]),
        ("repo:a@ fork:T x", ["matching a, forks too"]),
        ("a )", ["refuses", "never opened"]),
        ("branch:main x", ["Careful", "rev:"]),
        ("-repo:a@x y", ["not in repositories matching a@x"]),
        ("type:diff after:1/2/2024", ["after 1/2/2024 (2024-01-02)"]),
        ('type:diff after:"january 2 2024"', ["(2024-01-02)"]),
        ("repo:a", ["Finds all repositories matching a."]),
        ("-repo:a", ["Finds all repositories, not matching a."]),
        ("repo:has.path(a) fork:yes", ["Finds all repositories that have a path matching a, forks too."]),
        ("select:repo file:x", ["all files, showing only their repositories, in files matching x"]),
        ("visibility:Foo x", ['with "x".']),
        ("a NOT b fork:yes count:all", ['no "b"', "forks too", "all results"]),
    ],
)
def test_explanations(query: str, phrases: list[str]) -> None:
    text = explain(query)
    assert [phrase for phrase in phrases if phrase not in text] == [], text


@given(TEXTS, PATTERN_TYPES)
def test_any_text_is_explained(text: str, pattern_type: str) -> None:
    assert explain(text, pattern_type)
