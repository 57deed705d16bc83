"""Canonical forms: what asks the same has one, and what asks something else another."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sourcegraph.strategies import MIXED, PATTERN_TYPES, QUERIES, TEXTS, WORDS, parts

from nls_sdk.sourcegraph import QueryError, canonical, equivalent, validate

SAME = [
    ("r:foo NOT file:x b a", "repo:foo a -f:x b"),
    ("repo:foo rev:main x", "repo:foo@main x"),
    ("repo:foo@b:a", "repo:foo rev:a:b"),
    ("lang:golang x", "l:Go x"),
    ("lang:c++ x", 'language:"CPP" x'),
    ("repo:has.file(go.mod)", "repo:contains.path(go.mod)"),
    ("repo:contains(file:a content:b)", "repo:has.file(content:b path:a)"),
    ("repo:has(a:b)", "repo:has.meta(a:b)"),
    ("a AND b", "b a"),
    ("a or (b or c)", "c or b or a"),
    ("(repo:a x) or (repo:a y)", "repo:a (x or y)"),
    ("(repo:a or repo:b) x", "(repo:b x) or (x repo:a)"),
    ('"foo" bar', "bar foo"),
    ("/foo/", "foo"),
    ("/a\\/b/", '"a/b"'),
    ("foo.*bar patterntype:regexp", "/foo.*bar/"),
    ("foo bar patterntype:literal", '"foo bar"'),
    ("case:no fork:no visibility:any context:global x", "x"),
    ("case:y fork:YES x", "fork:yes x case:true"),
    ("type:commit since:yesterday", "after:Yesterday type:commit"),
    ("content:foo", '"foo"'),
    ("a a repo:x repo:x", "repo:x a"),
    ("repo:has.path(a) rev:c:b x", "revision:b:c r:contains.path(a) x"),
    ('type:commit after:"2 Weeks Ago"', 'type:commit after:"2  weeks ago"'),
    ("type:commit after:2024-01-01", "type:commit since:2024.01.01"),
    ('type:commit after:"january 1 2024"', "type:commit after:1/1/2024"),
    ("count:all x", "count:99999999 x"),
    (r"/a\.b/", "a.b"),
    ("repo:@ x", "x"),
]
OTHER = [
    ("repo:a OR repo:b x", "(repo:a OR repo:b) x"),
    ("a b", '"a b"'),
    ("a or b", "a b"),
    ("NOT a", "a"),
    ("-repo:a x", "repo:a x"),
    ("repo:a@x y", "repo:a y"),
    ("/a.b/", '"a.b"'),
    ("repo:a fork:no x", "repo:a x"),
    ("file:a x", "repo:a x"),
    ("count:10 x", "count:all x"),
    ("repo:has.path(a)", "repo:has.content(a)"),
    ('repo:"has.path(a)"', "repo:has.path(a)"),
    ("type:diff after:yesterday", "type:diff before:yesterday"),
    ("a (b or c)", "(a b) or c"),
    ("repo:has.path(a) rev:dev x", "repo:has.path(a) rev:main x"),
    ("repo:has.path(a) rev:dev x", "repo:has.path(a) x"),
    ("-repo:a rev:dev x", "-repo:a x"),
    ("-repo:a@x: y", "-repo:a@x y"),
    ("-repo:a@x:w y", "-repo:a@w:x y"),
    ('type:commit after:"1\tnov 2020"', 'type:commit after:"1 nov 2020"'),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same(a: str, b: str) -> None:
    assert canonical(a) == canonical(b)
    assert equivalent(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_not_the_same(a: str, b: str) -> None:
    assert not equivalent(a, b)


def test_refused_queries() -> None:
    with pytest.raises(QueryError, match="language"):
        canonical("lang:py")
    assert equivalent("lang:py x", "lang:py x")
    assert not equivalent("lang:py x", "x lang:py")


@given(st.one_of(QUERIES, TEXTS, MIXED), PATTERN_TYPES)
def test_canonical_is_idempotent(query: str, pattern_type: str) -> None:
    assume(not validate(query, pattern_type))
    once = canonical(query, pattern_type)
    assert canonical(once) == once


@given(QUERIES, QUERIES, QUERIES)
def test_equivalence(a: str, b: str, c: str) -> None:
    assert equivalent(a, a)
    assert equivalent(a, b) == equivalent(b, a)
    assert not (equivalent(a, b) and equivalent(b, c)) or equivalent(a, c)


@given(parts(mixed=True), st.randoms())
def test_order_does_not_matter(items: list[str], random) -> None:
    shuffled = random.sample(items, len(items))
    assert equivalent(" ".join(items), " ".join(shuffled))


@given(parts(mixed=True))
def test_aliases_do_not_matter(items: list[str]) -> None:
    aliases = {
        "repo:": "r:",
        "-repo:": "NOT repo:",
        "file:": "PATH:",
        "-file:": "NOT f:",
        "lang:": "Language:",
        "count:": "Count:",
        "rev:": "Revision:",
        "author:": "AUTHOR:",
        "-author:": "NOT author:",
        "after:": "since:",
        "before:": "until:",
        "message:": "msg:",
    }
    other = [
        next((item.replace(old, new, 1) for old, new in aliases.items() if item.startswith(old)), item)
        for item in items
    ]
    assert equivalent(" ".join(items), "   ".join(other))


@given(parts(mixed=True), st.data())
def test_every_mutation_of_meaning_matters(items: list[str], data) -> None:
    items = list(dict.fromkeys(items))
    at = data.draw(st.integers(0, len(items) - 1))
    item = items[at]
    mutated = data.draw(
        st.sampled_from(
            [
                items[:at] + items[at + 1 :],
                [*items, "somethingNew"],
                [*items, "-file:somethingNew"],
                [*items[:at], _negated(item), *items[at + 1 :]],
                [f"({' '.join(items)}) OR somethingNew"],
            ]
        )
    )
    query = " ".join(items)
    other = " ".join(mutated)
    assume(other != query and not validate(other))
    assert not equivalent(query, other)


def _negated(item: str) -> str:
    if item.startswith("-"):
        return item[1:]
    return (
        item.removeprefix("NOT ")
        if item.startswith("NOT ")
        else item
        if item.startswith("(")
        else f"NOT {item}"
    )


@given(WORDS, WORDS)
def test_the_scope_of_or(a: str, b: str) -> None:
    assume(a != b)
    assert not equivalent(f"repo:{a} OR repo:{b} x", f"(repo:{a} OR repo:{b}) x")
    assert equivalent(f"repo:x {a} or {b}", f"repo:x ({b} or {a})")
