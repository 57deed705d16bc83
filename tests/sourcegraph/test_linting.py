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
    "empty_value": ["lang: go", 'repo:"" x', "lang:(go OR python) x", "repo:"],
    "ignored_language": ["lang:go,python x"],
    "ignored_patterntype": ["patterntype:regexp (a.* or b) c"],
    "odd_date": [
        "type:commit after:2023",
        "type:commit after:30 days ago",
        'type:commit after:"jan 2023"',
        "type:commit after:7d",
    ],
    "dangling_parenthesis": ["(a or b", "repo:x foo ("],
    "unbalanced_quote": ['say "hello', "'a b"],
    "operator_as_text": ["a AND", "OR a", "not", "NOT(foo)", "a not(repo:b)"],
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
    "user: admin",
    "class: foo",
    'patterntype:literal "foo bar"',
    'type:commit after:"2 weeks ago"',
    'type:commit after:"last monday" before:yesterday',
    'type:commit after:"january 31 2024"',
    'type:commit after:"monday at 5"',
    "patterntype:regexp (a.* or b)",
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


@pytest.mark.parametrize(
    ("query", "fix"),
    [
        ("x -word", "Write NOT word."),
        ('x -"foo bar"', 'Write NOT "foo bar".'),
        ("x -/a b/", "Write NOT /a b/."),
        ("x -NOT", 'Leave it out, or write "-NOT" to search for it.'),
        ("x -(a b)", "Write NOT a NOT b to leave out both, (NOT a OR NOT b) to leave out what has both."),
        ('x -"foo', "Write NOT, a space and one term."),
    ],
)
def test_how_to_exclude_a_term(query: str, fix: str) -> None:
    (finding,) = lint(query)
    assert (finding.kind, finding.fix) == ("negated_term", fix)


@pytest.mark.parametrize("query", ["x NOT word", 'x NOT "foo bar"', "x NOT /a b/", 'x "-NOT"'])
def test_what_is_advised_is_clean(query: str) -> None:
    assert validate(query) + lint(query) == []


@pytest.mark.parametrize(("query", "at"), [("x (foo) (bar", 8), ("(a or b", 0), ("f(x) repo:a (", 12)])
def test_the_place_of_a_dangling_parenthesis(query: str, at: int) -> None:
    (finding,) = (each for each in lint(query) if each.kind == "dangling_parenthesis")
    assert finding.start == at


def test_a_group_after_a_filter() -> None:
    assert "(lang:A OR lang:B)" in lint("lang:(go OR python) x")[0].fix
    assert "repo:(A|B)" in lint("repo:(a OR b) x")[0].fix
    assert "(lang:go OR lang:python)" in lint("lang:go,python x")[0].fix
    assert validate("(lang:go OR lang:python) x") == validate("repo:(a|b) x") == []


@given(QUERIES)
def test_what_is_put_together_well_is_clean(query: str) -> None:
    # A revision and a predicate that meet by chance are two good filters that do not go together.
    assert [finding for finding in lint(query) if finding.kind != "rev_with_predicate"] == []


@given(TEXTS, PATTERN_TYPES)
def test_any_text_gets_findings_or_none(text: str, pattern_type: str) -> None:
    for finding in lint(text, pattern_type):
        assert 0 <= finding.start <= finding.end <= len(text)


def test_the_generator_is_valid_and_clean() -> None:
    train, val = generate(seed=1, train=3000, val=200)
    for row in train + val:
        query = row["messages"][-1]["content"]
        assert validate(query) + lint(query) == [], query
