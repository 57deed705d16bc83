"""Globs where a regular expression is wanted."""

import pytest

from nls_sdk.sourcegraph import validate
from nls_sdk.sourcegraph.globs import from_glob
from nls_sdk.sourcegraph.regexes import regexp_error

re2 = pytest.importorskip("re2")


@pytest.mark.parametrize(
    ("glob", "regexp", "matched", "others"),
    [
        ("*.go", r"\.go$", ["main.go", "cmd/a.go"], ["main.goo", "mango"]),
        ("*.go$", r"\.go$", ["main.go"], ["main.go.txt"]),
        ("*.{ts,tsx}", r"\.(ts|tsx)$", ["a/b.ts", "c.tsx"], ["a.tsxy", "b.js", "ts"]),
        ("*_test.go", r"_test\.go$", ["a/b_test.go"], ["b_test.gox", "test.go"]),
        ("*/test/*.go", r"/test/[^/]*\.go$", ["a/test/b.go"], ["a/test/b/c.go", "a/tests/b.go"]),
        (
            "src/**/*.ts",
            r"^src/(.*/)?[^/]*\.ts$",
            ["src/a.ts", "src/a/b/c.ts"],
            ["lib/src/a.ts", "src/a.tsx"],
        ),
        ("**/foo.go", r"(^|/)foo\.go$", ["foo.go", "a/b/foo.go"], ["a/barfoo.go", "foo.gox"]),
        ("**/test/**", r"(^|/)test/", ["test/a", "b/test/c"], ["contest/a", "test"]),
        ("*test*", "test", ["a/test.go", "contest"], ["a/tes.go"]),
        ("**.c++", r"\.c\+\+$", ["a.c++"], ["a.c", "ac++"]),
        ("*.?pp", r"\.[^/]pp$", ["a.cpp", "b.hpp"], ["a.pp", "a.ccpp"]),
        ("*", "", ["anything"], []),
        ("**/*", "", ["any/thing"], []),
    ],
)
def test_globs(glob: str, regexp: str, matched: list[str], others: list[str]) -> None:
    assert from_glob(glob) == regexp
    assert regexp_error(regexp) is None
    assert [name for name in matched if not re2.search(regexp, name)] == []
    assert [name for name in others if re2.search(regexp, name)] == []


@pytest.mark.parametrize("source", ["+", "(?!a)", "[*", "a{2", "*.{ts", "*.go}", ""])
def test_no_globs(source: str) -> None:
    assert from_glob(source) is None


@pytest.mark.parametrize("query", ["file:*.{ts,tsx}", "-file:*test*", "repo:**/foo", "file:*/test/*.go"])
def test_the_advice_is_the_regular_expression(query: str) -> None:
    (finding,) = validate(query)
    regexp = from_glob(query.partition(":")[2])
    assert regexp
    assert f"write {regexp} instead" in finding.fix
    assert validate(f"file:{regexp}") == []
