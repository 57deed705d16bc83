"""Every rule by which the server refuses a query."""

import time

import pytest
from hypothesis import given
from sourcegraph.strategies import PATTERN_TYPES, QUERIES, TEXTS

from nls_sdk.sourcegraph import lint, validate

REFUSED = {
    "bad_regexp": [
        "file:*.go",
        "repo:+ x",
        "file:(?<=a)b",
        "author:[ type:commit",
        "/(?!a)b/",
        "file:a{1001}",
    ],
    "unknown_language": ["lang:py", "lang:(go|java) x"],
    "bad_boolean": ["case:maybe x"],
    "bad_yes_no_only": ["fork:all x", "archived:include x"],
    "bad_count": ["count:0 x", "count:-1 x", "count:2147483648 x", "count:ten x"],
    "bad_timeout": ["timeout:10 x", "timeout:10seconds x", "timeout:\uff11\uff10s", "timeout:99999999999h x"],
    "bad_select": ["select:symbols x", "select:commit.added x"],
    "bad_date": [
        "type:commit after:last-week",
        "type:diff before:2024/01/01",
        'type:commit after:"this week"',
        "type:commit after:\uff12\uff10\uff12\uff14-01-01",
        'type:commit after:"\uff11 nov 2020"',
    ],
    "not_negatable": ["-type:diff x", "NOT case:yes x", "-repo:has.description(a)", "-file:has.content(a)"],
    "not_repeatable": ["fork:yes fork:no x", "(case:yes a) case:no"],
    "unrecognized_field": ["g:foo x"],
    "rev_without_repo": ["rev:main x", "(repo:a or file:b) rev:c"],
    "rev_and_at": ["repo:foo@a rev:b x"],
    "commit_filter_without_type": ["bug after:2023-01-01", "type:DIFF author:bob", "type:commit or m:fix"],
    "repohasfile_with_symbols": ["type:symbol repohasfile:x"],
    "ref_glob_index_only": ["repo:foo@*refs/heads/* index:only x"],
    "structural_negated": ["patterntype:structural NOT foo"],
    "structural_with_type": ["patterntype:structural foo type:file"],
    "bad_predicate": [
        "repo:has.file(file:x)",
        "repo:has.file(a b)",
        "repo:has.file(path:a path:b)",
        "repo:has.file(-path:a)",
        "repo:has.file(path:a or path:b)",
        "repo:has.path()",
        "repo:has.path([)",
        "repo:has.meta(:b)",
        "repo:has.meta(a:b:c)",
        "repo:has(a)",
        "repo:contains(x)",
        "repo:x rev:at.time(whenever)",
        "repo:x rev:at.time(\uff12\uff10\uff12\uff14-01-01)",
        "file:has.contributor([)",
        'repo:has.meta("a)',
    ],
}
ACCEPTED = [
    "",
    "kind: Deployment",
    "lang:c++ x",
    'lang:"visual basic .net"',
    "lang:go,whatever",
    "CASE:Y x",
    "fork:o x",
    "count:all",
    "timeout:1m30s x",
    "timeout:2562047h47m x",
    'type:commit after:"12345 +9900"',
    "select:symbol.enum-member x",
    "type:anything",
    "rev:a:b repo:c",
    "-repo:b rev:a",
    "committer:bob",
    "(fork:yes a) or (fork:no b)",
    "repo:foo@a:*b x",
    "repo:has.stars(>10)",
    "repo:has.meta(a:)",
    "repo:has.file(path:a content:b)",
    "repo:has.meta('a b':/c/)",
    "repo:x rev:at.time(2 days ago, main)",
    "file:has.owner()",
    "type:commit -author:a author:b after:yesterday",
    "a{2,1}",
    "repo:a.(b|c)",
    "/a\\/b/",
]


@pytest.mark.parametrize(
    ("kind", "query"), [(kind, query) for kind, queries in REFUSED.items() for query in queries]
)
def test_refused(kind: str, query: str) -> None:
    finding, *_ = validate(query)
    assert finding.kind == kind
    assert 0 <= finding.start <= finding.end <= len(query)
    assert finding.message.endswith((".", "?"))
    assert finding.fix


@pytest.mark.parametrize("query", ACCEPTED)
def test_accepted(query: str) -> None:
    assert validate(query) == []


def test_the_pattern_type_decides() -> None:
    assert validate("a** b", "keyword") == []
    assert [finding.kind for finding in validate("a** b", "regexp")] == ["bad_regexp"]
    assert [finding.kind for finding in validate("a** b patterntype:regexp")] == ["bad_regexp"]


def test_a_finding_names_the_place_and_the_fix() -> None:
    (finding,) = validate("foo lang:py")
    assert (finding.start, finding.end) == (4, 11)
    assert "python" in finding.fix
    assert str(finding).startswith("column 5: ")


def test_an_advice_on_not_before_a_group_has_both_operators() -> None:
    (finding,) = validate("x NOT (a and b)")
    assert "NOT a NOT b for NOT (a OR b)" in finding.fix
    assert "(NOT a OR NOT b) for NOT (a AND b)" in finding.fix
    assert validate("x NOT a NOT b") == validate("x (NOT a OR NOT b)") == []


def test_a_filter_without_a_language() -> None:
    (finding,) = validate("lang:")
    assert "names no language" in finding.message
    assert lint("lang:") == []


def test_too_many_alternatives() -> None:
    (finding,) = validate("(repo:a or repo:b) " * 20)
    assert finding.kind == "too_many_alternatives"


@pytest.mark.parametrize(("alternatives", "kinds"), [(1, []), (10, ["too_many_alternatives"])])
def test_alternatives_before_many_terms(alternatives: int, kinds: list[str]) -> None:
    start = time.process_time()
    found = validate("(repo:a or repo:b) " * alternatives + "foo " * 20_000)
    assert [finding.kind for finding in found] == kinds
    assert time.process_time() - start < 5


@given(QUERIES)
def test_what_is_put_together_well_is_valid(query: str) -> None:
    assert validate(query) == []


@given(TEXTS, PATTERN_TYPES)
def test_any_text_gets_findings_or_none(text: str, pattern_type: str) -> None:
    for finding in validate(text, pattern_type):
        assert 0 <= finding.start <= finding.end <= len(text)
