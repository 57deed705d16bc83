"""`compare`, against a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli.calling import Call, right, wrong
from stub_server import StubServer

from nls_sdk import Dataset

pytestmark = pytest.mark.usefixtures("data")


def test_compare_names_every_file_that_is_missing(call: Call) -> None:
    done = call("compare", "one.json", "other.json")
    assert done.code == 2
    assert "one.json: no such evaluation file" in done.err
    assert "other.json: no such evaluation file" in done.err


def test_compare_two_evaluations(call: Call, good: StubServer, bad: StubServer) -> None:
    files = []
    for server in (good, bad):
        files.append(call("eval", "run", "--url", server.url, "--json").json["file"])
    done = call("compare", *files)
    assert done.code == 0
    assert Path(files[0]).stem in done.out
    assert "Became wrong: 2" in done.out


@pytest.mark.parametrize("spoil", [lambda p: p.write_text("{"), lambda p: p.write_text("[]")])
def test_a_file_that_is_no_evaluation(call: Call, spoil: Callable[[Path], object]) -> None:
    spoil(Path("x.json"))
    done = call("compare", "x.json", "x.json")
    assert done.code == 2
    assert "x.json" in done.err


def test_a_regression_fails_ci_only_when_asked_to(call: Call, data: Path) -> None:
    pairs = [(f"find word{i} in go", f"lang:go word{i}") for i in range(20)]
    Dataset.from_pairs(pairs).write(data / "val.jsonl")
    files = []
    for answer in (right, wrong):
        with StubServer(answer) as server:
            files.append(
                call("eval", "run", "--url", server.url, "--concurrency", "4", "--json").json["file"]
            )
    worse = call("compare", *files, "--fail-on-regression")
    assert worse.code == 1
    assert "REGRESSED" in worse.out
    assert "Became wrong: 20" in worse.out
    assert call("compare", *files).code == 0
    # The other way round nothing became wrong; that it took longer may be the machine's doing.
    back = call("compare", *reversed(files), "--json").json["changes"]
    assert [change["lost"] for change in back] == [0] * len(back)
    assert call("compare", *files, "--json").json["changes"][1]["lost"] == 20
    unknown = call("compare", files[0], "nightly")
    assert unknown.code == 2
    assert "eval run --run-name nightly" in unknown.err
