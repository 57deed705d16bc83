"""Silent failures."""

import pytest
from hypothesis import given
from sourcegraph.strategies import PATTERN_TYPES, QUERIES, TEXTS

from nls_sdk.sourcegraph import lint, validate
from nls_sdk.synthetic import generate

SILENT = {
    "unknown_type": ["type:files x", "type:Commit x"],
    "unknown_visibility": ["visibility:secret x"],
    "unknown_patterntype": ["patterntype:fuzzy x"],
    "unknown_predicate": ["file:has.owners(x)", "repo:has.Path(x)", "file:contains(x)"],
    "empty_value": ["lang: go", 'repo:"" x'],
    "dangling_parenthesis": ["(a or b", "repo:x foo ("],
    "unbalanced_quote": ['say "hello', "'a b"],
    "operator_as_text": ["a AND", "OR a", "not"],
    "negated_term": ["a -b", "a !b", '-"a b"'],
    "unknown_field": ["branch:main x", "x ext:go", "sort:stars", "in:file x", "topic:ml"],
    "markdown": ["```repo:foo x```", "`repo:foo x`", "```\nfoo\n```"],
    "prose": ["Here is the query: repo:foo x", "Query: x"],
    "rev_with_predicate": ["repo:has.path(a) repo:b rev:c"],
    "empty_query": ["", "  "],
}
CLEAN = [
    "kind: Deployment",
    "https://example.com/a",
    "C:\\Users",
    "std::vector",
    'branch "ext:go"',
    "a->b --flag !=",
    "foo()",
    '"a AND"',
    "import axios",
    "/[(]/",
    "x visibility:any type:path",
    'repo:"has.thing(x)" y',
    "don't",
    "sure lang:go x",
]


@pytest.mark.parametrize(
    ("kind", "query"), [(kind, query) for kind, queries in SILENT.items() for query in queries]
)
def test_silent_failures(kind: str, query: str) -> None:
    found = lint(query)
    assert kind in [finding.kind for finding in found]
    assert all(0 <= finding.start <= finding.end <= len(query) and finding.fix for finding in found)
    assert validate(query) == []


def test_a_group_that_a_regexp_search_forgets() -> None:
    assert [finding.kind for finding in lint("(a or b) c", "regexp")] == ["group_forgotten"]


@pytest.mark.parametrize("query", CLEAN)
def test_clean(query: str) -> None:
    assert lint(query) == []


@given(QUERIES)
def test_what_is_put_together_well_is_clean(query: str) -> None:
    assert lint(query) == []


@given(TEXTS, PATTERN_TYPES)
def test_any_text_gets_findings_or_none(text: str, pattern_type: str) -> None:
    for finding in lint(text, pattern_type):
        assert 0 <= finding.start <= finding.end <= len(text)


def test_the_generator_is_valid_and_clean() -> None:
    train, val = generate(seed=1, train=3000, val=200)
    for row in train + val:
        query = row["messages"][-1]["content"]
        assert validate(query) + lint(query) == [], query
