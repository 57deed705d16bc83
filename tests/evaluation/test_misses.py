"""Each miss has its class, shows what differs, and says what neither side could know."""

from __future__ import annotations

import pytest

from nls_sdk.evaluation.misses import Difference, Miss, classes, classify, difference, unsupported
from nls_sdk.evaluation.rows import Row


@pytest.mark.parametrize(
    ("expected", "actual", "ways"),
    [
        ("lang:go foo", "foo lang:Go", ()),
        ("lang:go foo", "", (Miss.EMPTY,)),
        ("lang:go foo", "I'm sorry, I cannot do that.", (Miss.REFUSED,)),
        ("lang:go foo", "I can\u2019t help with that", (Miss.REFUSED,)),
        ("lang:go foo", "I cant help", (Miss.REFUSED,)),
        ("lang:go foo", "path:x foo", (Miss.WRONG_OPERATOR,)),
        ("lang:go foo", "repo:[", (Miss.INVALID,)),
        ("lang:go foo", "ext:go repo:[", (Miss.WRONG_OPERATOR,)),
        ("repo:a foo", "repo:b foo", (Miss.WRONG_REPOSITORY,)),
        ("repo:a foo", "-repo:a foo", (Miss.WRONG_REPOSITORY,)),
        ("lang:go foo", "lang:python foo", (Miss.WRONG_VALUE,)),
        ("lang:go file:x foo", "lang:go foo", (Miss.MISSING_FILTER,)),
        ("lang:go foo", "lang:go bar", (Miss.WRONG_TERMS,)),
        ("lang:go foo", "lang:go foo case:yes", (Miss.EXTRA_CONSTRAINT,)),
        ("lang:go foo", "file:go foo", (Miss.WRONG_OPERATOR, Miss.MISSING_FILTER)),
        ("lang:go (foo OR bar)", "lang:go foo bar", (Miss.WRONG_STRUCTURE,)),
        ("repo:a lang:go", "repo:b lang:c", (Miss.WRONG_REPOSITORY, Miss.WRONG_VALUE)),
    ],
)
def test_classes(expected: str, actual: str, ways: tuple[Miss, ...]) -> None:
    assert set(classify(Row(question="q", expected=expected, actual=actual))) >= set(ways)
    assert classify(Row(question="q", expected=expected, actual=actual))[:1] == ways[:1]


def test_what_the_server_tells_is_known() -> None:
    cut = Row(question="q", expected="lang:go foo", actual="lang:go", finish_reason="length")
    assert classify(cut)[0] is Miss.TRUNCATED
    assert classify(Row(question="q", expected="lang:go", error="down")) == (Miss.FAILED,)
    whole = Row(question="q", expected="lang:go", actual="lang:go", finish_reason="length")
    assert classify(whole) == ()


def test_the_commonest_class_comes_first() -> None:
    rows = [
        Row(question="q", expected="lang:go", actual=actual) for actual in ("", "lang:c", "lang:d", "lang:go")
    ]
    found = classes(rows)
    assert [(miss, len(each)) for miss, each in found.items()] == [(Miss.WRONG_VALUE, 2), (Miss.EMPTY, 1)]


def test_a_difference_is_of_canonical_forms() -> None:
    found = difference("foo lang:golang repo:a", "repo:a language:Rust foo file:x")
    assert found == Difference(same=("repo:a", "foo"), missing=("lang:go",), extra=("file:x", "lang:rust"))
    assert str(found) == "  repo:a\n  foo\n- lang:go\n+ file:x\n+ lang:rust"
    assert difference("lang:go", "repo:[") is None
    same = difference("a b", "b a")
    assert same is not None
    assert same.changes == []


@pytest.mark.parametrize(
    ("question", "query", "made_up"),
    [
        ("Python files with async", "lang:python async", ()),
        ("python3 files", "lang:python", ()),
        ("async files", "lang:python async", ("lang:python",)),
        ("the react repo of facebook", r"repo:^github\.com/facebook/react$", ()),
        ("the frontend", r"repo:^github\.com/facebook/react$", (r"repo:^github\.com/facebook/react$",)),
        ("commits by alice", "type:commit author:alice", ()),
        ("commits", "type:commit author:alice", ("author:alice",)),
        ("tests", "file:_test\\.go$", ()),
        ("anything", "repo:[", ()),
    ],
)
def test_what_the_question_does_not_support(question: str, query: str, made_up: tuple[str, ...]) -> None:
    assert unsupported(question, query) == made_up
