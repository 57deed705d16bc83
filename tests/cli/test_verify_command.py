"""`verify env|data|config|volumes|all`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli.calling import Call

from nls_sdk.cli import main
from nls_sdk.providers import Check
from nls_sdk.testing import FakeProvider


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("what", ["env", "data", "config", "volumes", "all"])
def test_all_is_well(call: Call, what: str) -> None:
    done = call("verify", what)
    assert done.code == 0
    assert re.search(r"(^1 check|\d+ checks) passed\.$", done.out.rstrip(), re.MULTILINE)
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


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("[providers.local]\nhome = 'h'", 0, "ok       [providers.local]: home"),
        ("[providers.local]\nhom = 'h'", 1, "Its options are home, gpu, processes, worker."),
        ("[providers.elsewhere]\na = 1", 0, "No provider called 'elsewhere' is installed"),
        ("[baselines.openai]\nmodle = 'm'", 1, "modle"),
        ("provider = 'local'\n[providers.local]\nhome = 'h'", 0, "LocalProvider(home="),
        ("provider = 'local'\n[providers.local]\ngpu = 'Z80'", 1, "gpu='Z80' is demanded"),
    ],
)
def test_config_tries_the_options_of_plugins(
    capsys: pytest.CaptureFixture[str], text: str, code: int, says: str
) -> None:
    Path("nls-finetune.toml").write_text(text)
    assert main(["verify", "config"]) == code
    assert says in capsys.readouterr().out
    assert not Path("h").exists()


def test_config_with_a_port_that_there_is_not(call: Call) -> None:
    Path("nls-finetune.toml").write_text("[serve]\nport = 99999\n")
    done = call("verify", "config")
    assert done.code == 1
    assert "[serve]: port = 99999, but it must be from 0 to 65535." in done.out


def test_config_with_a_wrong_assignment(call: Call) -> None:
    done = call("verify", "config", "--set", "lora_r=0")
    assert done.code == 1
    assert "lora_r = 0" in done.out
