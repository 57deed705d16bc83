"""The metrics, against the definitions they come from: the worked example first, then the edges."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nls_sdk import metrics, synthetic
from nls_sdk.metrics import Verdict
from nls_sdk.sourcegraph import ADVICE, OPERATORS

CLOSED_LIST = (
    "`repo`, `file`, `lang`, `language`, `l`, `content`, `type`, `case`, `rev`, `fork`, `archived`, "
    "`visibility`, `context`, `author`, `committer`, `before`, `after`, `message`, `count`, `timeout`, "
    "`patterntype`, `select`"
)
names = st.sampled_from(sorted(OPERATORS))
queries = st.lists(names, min_size=1).map(lambda found: " ".join(f"{name}:x" for name in found))
texts = st.text(st.characters(codec="utf-8"), max_size=60)


def test_the_worked_example_is_67_percent_and_fails() -> None:
    expected = "repo:sourcegraph/sourcegraph lang:go type:symbol"
    actual = 'repo:sourcegraph/sourcegraph lang:go content:"func"'
    assert metrics.operators(expected) == {"repo", "lang", "type"}
    assert metrics.operators(actual) == {"repo", "lang", "content"}
    assert f"{metrics.overlap(expected, actual):.0%}" == "67%"
    assert not metrics.semantic_match(expected, actual)


def test_the_list_of_operators_is_the_closed_one() -> None:
    assert sorted(OPERATORS) == sorted(name.strip("`") for name in CLOSED_LIST.split(", "))
    assert not OPERATORS & set(ADVICE)


@pytest.mark.parametrize(
    ("query", "names", "advice"),
    [
        ("path:src", ["path"], "Use `file:` instead"),
        ("branch:main", ["branch"], "Use `rev:` or `@branch` syntax"),
        ("extension:go", ["extension"], r"Use `file:\.ext$`"),
        ("ext:go", ["ext"], r"Use `file:\.ext$`"),
        ("in:file", ["in"], "GitHub syntax, not supported"),
        ("is:public", ["is"], "GitHub syntax, not supported"),
        ("sort:updated", ["sort"], "GitHub syntax, not supported"),
        ("stars:>10", ["stars"], "GitHub syntax, not supported"),
        ("kind:Deployment", ["kind"], "Not a Sourcegraph operator; put it in quotes to search for the text"),
        ("path:a lang:go in:b path:c", ["path", "in"], "Use `file:` instead"),
    ],
)
def test_hallucinations_are_named_with_advice(query: str, names: list[str], advice: str) -> None:
    found = metrics.hallucinations(query)
    assert [each.name for each in found] == names
    assert found[0].advice == advice
    assert not metrics.syntax_valid(query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("REPO:x Lang:go", {"repo", "lang"}),
        ("-file:x NOT lang:go !repo:y", {"file", "lang", "repo"}),
        ("(lang:go OR (type:diff author:a))", {"lang", "type", "author"}),
        ("a\tlang:go\nfile:x", {"lang", "file"}),
        ('content:"in: path:x" lang:go', {"content", "lang"}),
        ("message:'is: it' type:commit", {"message", "type"}),
        (r'"a \" path:x" file:y', {"file"}),
        ("don't path:x won't", {"path"}),
        ('5" path:x', {"path"}),
        ('"unclosed path:x', {"path"}),
        ("https://a.b/in:x?y=path:z lang:go", {"lang"}),
        ("repo:https://github.com/a/b ssh://git@h:22/x", {"repo"}),
        ("-https://a.b", set()),
        ("lang : go", set()),
        ("a/path:x foo.in:y", set()),
        ("pattern_type:regexp file-type:x", {"pattern_type", "file-type"}),
        ("repo:^github\\.com/a/b$@branch:main", {"repo"}),
        ("", set()),
    ],
)
def test_operators_are_found_where_terms_begin(query: str, expected: set[str]) -> None:
    assert metrics.operators(query) == expected


def test_a_path_filter_is_invalid_though_the_server_takes_it() -> None:
    assert metrics.syntax_valid("file:src lang:go")
    assert not metrics.syntax_valid("path:src lang:go")


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_answer_is_never_right(blank: str) -> None:
    assert not metrics.syntax_valid(blank)
    assert not metrics.semantic_match("lang:go", blank)
    assert not metrics.semantic_match("func main", blank)
    assert not metrics.right("?", blank)


@pytest.mark.parametrize(
    ("expected", "actual", "overlap"),
    [
        ("func main", "main func extra", 1.0),
        ("func main", "lang:go func", 0.5),
        ("func main", 'content:"func main" lang:go', 1.0),
        ("func main", "file:main func", 0.5),
        ('"func main"', "FUNC MAIN", 1.0),
        ("a AND b OR NOT c", "a b c", 1.0),
        ("=>", "=> lang:javascript", 1.0),
        ("https://a.b/in:x", "https://a.b/in:x", 1.0),
    ],
)
def test_keywords_count_when_no_operator_is_expected(expected: str, actual: str, overlap: float) -> None:
    assert metrics.overlap(expected, actual) == overlap


def test_seventy_percent_is_enough() -> None:
    expected = "repo:a file:a lang:a type:a case:a fork:a author:a before:a after:a count:a"
    assert metrics.semantic_match(expected, "repo:b file:b lang:b type:b case:b fork:b author:b")
    assert not metrics.semantic_match(expected, "repo:b file:b lang:b type:b case:b fork:b")


@pytest.mark.parametrize(
    ("fine_tuned", "baseline", "expected"),
    [
        (True, True, "tie"),
        (True, False, "fine_tuned_better"),
        (False, True, "baseline_better"),
        (False, False, "both_wrong"),
    ],
)
def test_verdicts(fine_tuned: bool, baseline: bool, expected: str) -> None:
    assert metrics.verdict(fine_tuned, baseline) == Verdict(expected)


def test_every_generated_query_is_right_about_itself() -> None:
    train, val = synthetic.generate(train=600, val=200)
    wanted = [row["messages"][-1]["content"] for row in train + val]
    assert [query for query in wanted if not metrics.right(query, query)] == []


@given(queries, texts)
def test_what_is_in_quotes_changes_nothing(query: str, text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert metrics.operators(f"{query} {quoted}") == metrics.operators(query)
    assert metrics.operators(f"{quoted} {query}") == metrics.operators(query)


@given(queries, queries)
def test_more_operators_than_expected_do_no_harm(expected: str, extra: str) -> None:
    assert metrics.overlap(expected, f"{extra} {expected}") == 1.0


@given(queries, queries)
def test_the_overlap_is_the_share_of_expected_names(expected: str, actual: str) -> None:
    wanted = {term.partition(":")[0] for term in expected.split()}
    got = {term.partition(":")[0] for term in actual.split()}
    assert metrics.overlap(expected, actual) == len(wanted & got) / len(wanted)


@given(texts)
def test_any_text_can_be_judged(text: str) -> None:
    assert metrics.syntax_valid(text) == (bool(text.strip()) and metrics.operators(text) <= OPERATORS)
    assert metrics.semantic_match(text, text) == bool(text.strip())


@pytest.mark.parametrize("part", ['"', "'\"", '\\"', "a:", "a-", "a", "(a", "-", "a://"])
@pytest.mark.timeout(10)
def test_a_runaway_answer_is_judged_in_linear_time(part: str) -> None:
    """Patterns that backtrack take minutes on such answers."""
    metrics.right("lang:go", part * 50_000)
    metrics.keywords(part * 50_000)


def test_what_the_server_makes_of_an_answer() -> None:
    assert metrics.server_valid("path:a kind: b")
    assert not metrics.server_valid("file:*.go")
    assert not metrics.server_valid("  ")
    assert metrics.lint_clean("repo:a b")
    assert not metrics.lint_clean("branch:main b")
    assert not metrics.lint_clean("lang:py b")
    assert [finding.kind for finding in metrics.findings("lang:py branch:x")] == [
        "unknown_language",
        "unknown_field",
    ]


def test_equivalence() -> None:
    assert metrics.equivalent("repo:a rev:b x y", "y x r:a@b")
    assert not metrics.equivalent("a or b", "a b")
    assert not metrics.equivalent("", "")


def test_syntax_validity_does_not_load_the_parser() -> None:
    code = "import sys; from nls_sdk.metrics import syntax_valid; syntax_valid('repo:a'); "
    code += "print([name for name in sorted(sys.modules) if name.startswith('nls_sdk.sourcegraph')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['nls_sdk.sourcegraph', 'nls_sdk.sourcegraph.operators']"
