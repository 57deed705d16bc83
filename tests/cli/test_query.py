"""`query check|explain|format`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.calling import Call


def test_check(call: Call) -> None:
    fine = call("query", "check", "repo:a b")
    assert (fine.code, fine.out) == (0, "1 checked, all fine.\n")
    done = call("query", "check", "file:*.go branch:x", "--json")
    assert done.code == 1
    (row,) = done.json["queries"]
    assert (row["server_valid"], row["lint_clean"]) == (False, False)
    assert [finding["kind"] for finding in row["findings"]] == ["bad_regexp", "unknown_field"]


def test_check_a_file(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("repo:a b\n\nlang:py x\n")
    done = call("query", "check", "--file", str(file))
    assert done.code == 1
    assert f"{file}:3: column 1: There is no language 'py'." in done.out
    assert "1 of 2 queries" in done.out
    assert call("query", "check", "--file", str(tmp_path / "none.txt")).code == 2


def test_a_file_with_a_byte_order_mark_and_line_ends_of_windows(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_bytes("\ufeffrepo:a b\r\nrepo:a b\u2028c\r\nlang:py x\r\n".encode())
    done = call("query", "check", "--file", str(file), "--json")
    assert [row["query"] for row in done.json["queries"]] == ["repo:a b", "repo:a b\u2028c", "lang:py x"]
    assert [row["server_valid"] for row in done.json["queries"]] == [True, True, False]


def test_pattern_type(call: Call) -> None:
    assert call("query", "check", "a** b").code == 0
    assert call("query", "check", "a** b", "--pattern-type", "regexp").code == 1


def test_explain_and_format(call: Call) -> None:
    assert "in Python" in call("query", "explain", "lang:python x").out
    assert call("query", "format", "  r:a   NOT f:b x").out == "repo:a -file:b x\n"
    refused = call("query", "format", "a )")
    assert refused.code == 2
    assert "column 3: This parenthesis was never opened" in refused.err


def test_explanations_of_a_file_name_its_lines(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("lang:python x\n\nlang:py x\n")
    first, second = call("query", "explain", "--file", str(file)).out.splitlines()
    assert first.startswith(f"{file}:1: Finds")
    assert second.startswith(f"{file}:3: The server refuses")


def test_a_query_may_begin_with_a_dash(call: Call) -> None:
    assert call("query", "format", "-f:test a").out == "-file:test a\n"
    assert "Write NOT word." in call("query", "check", "-word").out


@pytest.mark.parametrize("arguments", [(), ("a", "--file", "b")])
def test_one_source_of_queries(call: Call, arguments: tuple[str, ...]) -> None:
    assert call("query", "check", *arguments).code == 2
