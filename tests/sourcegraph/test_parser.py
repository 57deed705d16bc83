"""Syntax trees: filters, quoting, escapes, precedence, hoisting and forgiveness."""

import time

import pytest
from hypothesis import given
from sourcegraph.strategies import PATTERN_TYPES, TEXTS

from nls_sdk.sourcegraph import Filter, Finding, Form, Operator, Pattern, QueryError, parse
from nls_sdk.sourcegraph.syntax import leaves, span


def written(query: str, pattern_type: str = "keyword") -> str:
    """A tree as an S-expression."""

    def write(node):
        match node:
            case Filter():
                return f"{'-' * node.negated}{node.field}:{node.value}"
            case Pattern():
                text = (
                    f"/{node.text}/"
                    if node.form is Form.SLASHED
                    else repr(node.text)
                    if node.form is Form.QUOTED
                    else node.text
                )
                return f"!{text}" if node.negated else text
            case Operator():
                return f"({node.kind.value} {' '.join(write(o) for o in node.operands)})"
        return ""

    return write(parse(query, pattern_type).tree)


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("foo bar", "(concat foo bar)"),
        ("a or b and c", "(or a (and b c))"),
        ("a AND NOT b", "(and a !b)"),
        ("repo:x a or b", "(and repo:x (or a b))"),
        ("repo:a OR repo:b x", "(or repo:a (and repo:b x))"),
        ("repo:x (a or b)", "(and repo:x (or a b))"),
        ("(repo:x a) or b", "(or (and repo:x a) b)"),
        ("r:x -f:y L:go PATH:z", "(and repo:x -file:y lang:go file:z)"),
        ("NOT file:test x", "(and -file:test x)"),
        ("a AND", "(concat a AND)"),
        ("OR a", "(concat OR a)"),
        ("NOT", "NOT"),
        ("(a)or b", "(or a b)"),
        ("a or(b)", "(or a b)"),
        ("(a)or", "(a)or"),
        (" and b", "(concat and b)"),
        ("x (and b)", "(concat x and b)"),
        ("android notes", "(concat android notes)"),
        ("-foo a:b :c --file:x repo1:y", "(concat -foo a:b :c --file:x repo1:y)"),
        ("f(a)g file:h(i)j", "(and file:h(i)j f(a)g)"),
        ("lang: go", "go"),
        ('"a \\" b" \'c\'', "(concat 'a \" b' 'c')"),
        ('"\\d+" "\\n"', "(concat '\\\\d+' '\\n')"),
        ('foo"', 'foo"'),
        ('"foo bar', '(concat "foo bar)'),
        ("/a\\/b c/ /a/b/", "(concat /a/b c/ /a/b/)"),
        ("foo\\ bar baz", "(concat foo\\ bar baz)"),
        ("f(a b) -foo repo_name:x", "(concat f(a b) -foo repo_name:x)"),
        ("(a or b", "(or (a b)"),
        ("()", "()"),
        ("repo:has.file(path:a b) x", "(and repo:has.file(path:a b) x)"),
        ("repo:has.file(path:x", "(and repo:has.file (path:x)"),
        ("file:(a|b).go x", "(and file:(a|b).go x)"),
        ("a\u00a0b\nc", "(concat a b c)"),
        ("a\u200bb", "a\u200bb"),
    ],
)
def test_keyword_search(query: str, tree: str) -> None:
    assert written(query) == tree


@pytest.mark.parametrize(
    ("pattern_type", "query", "tree"),
    [
        ("literal", '"a b" (c d)', '(concat "a b" (c d))'),
        ("standard", "a /b/ c", "(concat a /b/ c)"),
        ("regexp", '(a|b) "c d"', "(concat (a|b) 'c d')"),
        ("regexp", "f(a or b)", "(concat f (or a b))"),
        ("structural", "if (...) {", "(concat if (...) {)"),
        ("keyword", "(a|b) c patterntype:regexp", "(and patterntype:regexp (concat (a|b) c))"),
        ("regexp", "(a b) patterntype:keyword", "(and patterntype:keyword (concat a b))"),
    ],
)
def test_other_pattern_types(pattern_type: str, query: str, tree: str) -> None:
    assert written(query, pattern_type) == tree


@pytest.mark.parametrize(
    ("query", "kind", "at"),
    [
        ("a )", "parens_unbalanced", 2),
        ("a AND AND b", "missing_operand", 6),
        ("x NOT (a or b)", "not_before_group", 2),
        ("x NOT -file:y", "double_negation", 2),
        ('content:"a', "unterminated_quote_in_filter_value", 8),
        ('repo:"^a\\.b$"', "bad_escape_in_quoted_filter_value", 8),
    ],
)
def test_what_cannot_be_read(query: str, kind: str, at: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert (caught.value.finding.kind, caught.value.finding.start) == (kind, at)
    assert f"column {at + 1}" in str(caught.value)
    assert caught.value.hint


def test_groups_beside_phrases() -> None:
    with pytest.raises(QueryError, match="group"):
        parse("a (b or c)", "standard")


def test_positions_and_parts_of_a_filter() -> None:
    query = 'x  -Repo:has.path(a b) content:"c d"'
    _, repo, content = sorted(leaves(parse(query).tree), key=lambda leaf: leaf.start)
    assert isinstance(repo, Filter)
    assert repo.predicate is not None
    assert query[repo.start : repo.end] == "-Repo:has.path(a b)"
    assert (repo.field, repo.name, repo.negated, repo.predicate.name, repo.predicate.argument) == (
        "repo",
        "Repo",
        True,
        "has.path",
        "a b",
    )
    assert isinstance(content, Filter)
    assert (content.value, content.form, query[content.start : content.end]) == (
        "c d",
        Form.QUOTED,
        'content:"c d"',
    )


def test_unknown_pattern_type() -> None:
    with pytest.raises(ValueError, match="fuzzy"):
        parse("x", "fuzzy")


def refusal(text: str, pattern_type: str) -> Finding | None:
    """Why a text cannot be read, or None."""
    try:
        parse(text, pattern_type)
    except QueryError as error:
        return error.finding
    return None


@given(TEXTS, PATTERN_TYPES)
def test_any_text_is_read_or_refused(text: str, pattern_type: str) -> None:
    if finding := refusal(text, pattern_type):
        assert 0 <= finding.start <= finding.end <= len(text)
        return
    tree = parse(text, pattern_type).tree
    assert all(0 <= leaf.start <= leaf.end <= len(text) for leaf in leaves(tree))
    assert tree is None or span(tree)[1] <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 10_000 + "a" + ")" * 10_000,
        "f(" * 10_000,
        "a( " * 20_000,
        '"a ' * 20_000,
        "repo:has.path(a " * 5_000,
        "(" * 99 + "a or b and " * 1_000 + "c" + ")" * 99,
    ],
)
@pytest.mark.parametrize("pattern_type", ["keyword", "standard", "regexp"])
def test_deep_and_long_input(text: str, pattern_type: str) -> None:
    start = time.process_time()
    finding = refusal(text, pattern_type)
    assert finding is None or finding.kind in ("nested_too_deeply", "parens_unbalanced")
    assert time.process_time() - start < 5
