"""`verify env|data|config|volumes|all`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.calling import Call

from nls_sdk.providers import Check
from nls_sdk.testing import FakeProvider


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("what", ["env", "data", "config", "volumes", "all"])
def test_all_is_well(call: Call, what: str) -> None:
    done = call("verify", what)
    assert done.code == 0
    assert done.out.rstrip().endswith("checks passed.")
    assert call("verify", what, "--json").json["ok"] is True


@pytest.mark.usefixtures("data")
def test_all_prints_every_finding_and_fails_if_one_failed(call: Call, data: Path) -> None:
    Path("nls-finetune.toml").write_text("providr = 1\n")
    with (data / "val.jsonl").open("a") as file:
        file.write("{\n")
    fake = FakeProvider(findings=[Check("gpu", "failed", "none", "Plug one in.")])
    done = call("verify", "all", provider=fake)
    assert done.code == 1
    for said in ("unknown key 'providr'", "gpu: none", "Plug one in.", "val.jsonl:3:2", "volumes: "):
        assert said in done.out
    assert "3 of " in done.out
    assert "checks failed." in done.out
    found = call("verify", "all", "--json", provider=fake)
    assert found.code == 1
    assert [check["status"] for check in found.json["checks"]].count("failed") == 3


def test_data_at_other_paths(call: Call, data: Path) -> None:
    moved = (data / "val.jsonl").rename("mine.jsonl")
    assert call("verify", "data").code == 1
    assert call("verify", "data", "--val", str(moved)).code == 0


def test_no_data_says_how_to_get_some(call: Call) -> None:
    done = call("verify", "data")
    assert done.code == 1
    assert "no such file" in done.out
    assert "nls-finetune demo --data-only" in done.out


def test_config_with_a_wrong_assignment(call: Call) -> None:
    done = call("verify", "config", "--set", "lora_r=0")
    assert done.code == 1
    assert "lora_r = 0" in done.out
