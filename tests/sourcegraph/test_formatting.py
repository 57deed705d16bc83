"""Clean renderings that are read the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sourcegraph.strategies import PATTERN_TYPES, QUERIES, TEXTS

from nls_sdk.sourcegraph import QueryError, format, parse
from nls_sdk.sourcegraph.writing import shape


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        ("  r:a   NOT   f:b x ", "repo:a -file:b x"),
        ("foo and bar or not baz", "foo AND bar OR NOT baz"),
        ("repo:x a or b", "repo:x (a OR b)"),
        ("((repo:x)) (a or b) c", "repo:x (a OR b) c"),
        ("(repo:x a) or b", "(repo:x a) OR b"),
        ('lang:"go" "a b"', 'lang:go "a b"'),
        ('author:"Ann Lee" type:commit', 'author:"Ann Lee" type:commit'),
        ("/a\\/b/", "/a\\/b/"),
        ("(a or c", "(a or c"),
    ],
)
def test_rendering(query: str, clean: str) -> None:
    assert format(query) == clean


def test_what_cannot_be_read_cannot_be_rendered() -> None:
    with pytest.raises(QueryError):
        format("a )")


@given(st.one_of(QUERIES, TEXTS), PATTERN_TYPES)
def test_a_rendering_is_read_the_same(query: str, pattern_type: str) -> None:
    try:
        read = parse(query, pattern_type)
    except QueryError:
        return
    clean = format(query, pattern_type)
    assert shape(parse(clean, pattern_type).tree) == shape(read.tree)
    assert format(clean, pattern_type) == clean
