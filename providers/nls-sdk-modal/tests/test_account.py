"""What `verify env` finds, where the token comes from, and what things cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve
from loopback.client import Loopback
from places import make_provider

from nls_sdk.artifacts import Artifact
from nls_sdk.events import Succeeded
from nls_sdk.providers import Check, Estimate, RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import Serve, Train
from nls_sdk.verify import verify_volumes
from nls_sdk_modal import ModalProvider
from nls_sdk_modal.account import find_token
from nls_sdk_modal.estimate import OVERHEAD, estimate
from nls_sdk_modal.rates import TABLE_DATE, price

DATA = Artifact(path="artifacts/none", digest="0" * 64, size=0)
TASK = Train(name="first", base="Qwen/Qwen3-1.7B", data=DATA, recipe=Recipe())


def findings(provider: ModalProvider) -> dict[str, Check]:
    return {check.name.removeprefix("modal "): check for check in provider.check()}


def test_a_whole_account_is_fine(loopback: Loopback, provider: ModalProvider) -> None:
    found = findings(provider)
    assert {name: check.status for name, check in found.items()} == {
        "client": "ok",
        "token": "ok",
        "workspace": "ok",
        "environment": "ok",
        "secret huggingface-secret": "ok",
        "secret wandb-secret": "ok",
        "price": "ok",
    }
    assert found["token"].message == "from the environment"
    assert found["workspace"].message == "loopback-ws"
    assert TABLE_DATE in found["price"].message
    assert [check.status for check in verify_volumes(provider)] == ["ok"]


def test_what_the_account_lacks_is_told_with_its_remedy(loopback: Loopback, provider: ModalProvider) -> None:
    loopback.secret("huggingface-secret", SOMETHING="else")
    loopback.settings(rates={"gpu_h100_per_hour": "3.10"})
    found = findings(provider)
    assert found["secret huggingface-secret"].status == "failed"
    assert "without HF_TOKEN or HUGGING_FACE_HUB_TOKEN" in found["secret huggingface-secret"].message
    assert "$3.10 an hour; the account's own rate" in found["price"].message
    loopback.forget_secret("huggingface-secret")
    gone = findings(provider)["secret huggingface-secret"]
    assert (gone.status, gone.message) == ("failed", "not there")
    assert gone.fix == "modal secret create huggingface-secret HUGGING_FACE_HUB_TOKEN=…"
    loopback.settings(rates={})
    loopback.secret("huggingface-secret", HF_TOKEN="hf_loopback")
    nowhere = findings(make_provider(environment="nowhere"))["environment"]
    assert (nowhere.status, nowhere.fix) == ("failed", "modal environment create nowhere")


def test_a_token_that_is_refused_is_a_finding(loopback: Loopback) -> None:
    code = "import nls_sdk_modal as m; [print(c.name, c.status, c.fix) for c in m.ModalProvider().check()]"
    environment = {**os.environ, "MODAL_TOKEN_ID": "ak-other"}
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).splitlines()
    assert told[-1].startswith("modal workspace failed")
    assert "modal token new" in told[-1]


@pytest.mark.parametrize(
    ("variables", "kind", "said"),
    [
        ({"MODAL_SERVER_URL": "http://127.0.0.1:9"}, "ProviderUnavailable", "cannot be reached: 127.0.0.1"),
        ({"MODAL_TOKEN_SECRET": ""}, "ConfigError", "MODAL_TOKEN_ID is set and MODAL_TOKEN_SECRET is not"),
        ({"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": ""}, "ConfigError", "Modal's token: there is none"),
    ],
)
def test_what_cannot_work_is_told_at_once(
    loopback: Loopback, variables: dict[str, str], kind: str, said: str
) -> None:
    code = (
        "import nls_sdk_modal as m\n"
        "try: m.ModalProvider().runs()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    begun = time.monotonic()
    told = subprocess.check_output([sys.executable, "-c", code], env={**environment, **variables}, text=True)
    assert told.startswith(kind)
    assert said in told
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("variables", "profile", "source", "problem", "shadowed"),
    [
        ({"MODAL_TOKEN_ID": "ak", "MODAL_TOKEN_SECRET": "as"}, "", "the environment", "", False),
        ({"MODAL_TOKEN_ID": "ak"}, "", "the environment", "MODAL_TOKEN_SECRET is not", False),
        ({"MODAL_TOKEN_SECRET": "as"}, "whole", "the environment", "MODAL_TOKEN_ID is not", False),
        ({"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": ""}, "whole", "the environment", "hides", False),
        ({"MODAL_TOKEN_ID": "ak", "MODAL_TOKEN_SECRET": "as"}, "whole", "the environment", "", True),
        ({}, "whole", "profile 'work' of", "", False),
        ({}, "half", "", "not the other half", False),
        ({}, "broken", "", "cannot be read", False),
        ({}, "", "", "there is none", False),
    ],
)
def test_the_token_in_force_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    profile: str,
    source: str,
    problem: str,
    shadowed: bool,
) -> None:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "modal.toml"
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(file))
    texts = {
        "whole": '[work]\ntoken_id = "ak-secret"\ntoken_secret = "as-secret"\nactive = true\n',
        "half": '[default]\ntoken_id = "ak-secret"\n',
        "broken": "[",
    }
    if profile:
        file.write_text(texts[profile])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    token = find_token()
    assert token.source.startswith(source)
    assert problem in token.problem
    assert bool(token.problem) == bool(problem)
    assert bool(token.shadowed) == shadowed
    assert "secret" not in f"{token.source}{token.shadowed}{token.problem}".replace(
        "MODAL_TOKEN_SECRET", ""
    ).replace("token_secret", "")


def test_prices_are_the_accounts_own_or_dated() -> None:
    listed = price("H100:2")
    assert listed
    assert listed.per_second == pytest.approx(2 * 3.95 / 3600)
    assert TABLE_DATE in listed.source
    own = price("H100", account={"h200_gpu_second": Decimal("9"), "h100_gpu_second": Decimal("0.001")})
    assert own
    assert own.per_second == 0.001
    assert "the account's own rate" in own.source
    dear = price("H100", region="eu")
    assert dear
    assert dear.per_second == pytest.approx(1.75 * 3.95 / 3600)
    assert price("Z9000") is None


def test_estimates_rest_on_what_ran_else_on_a_rule() -> None:
    def judge(runs: list[RunRecord], task: Train | Serve = TASK) -> Estimate:
        return estimate(task, runs=runs, price=price("H100"), gpu="H100", idle=120, examples=lambda _: 2400.0)

    rough = judge([])
    assert rough.seconds == pytest.approx(OVERHEAD + 300 * 0.014)
    by_trl = judge([], evolve(TASK, recipe=Recipe(lora_dropout=0.1)))
    assert by_trl.seconds == pytest.approx(OVERHEAD + 300 * 0.56)
    assert rough.dollars == pytest.approx(rough.seconds * 3.95 / 3600)
    assert "nothing like it has run yet" in rough.basis
    assert "of 80 GB" in rough.basis
    end = Succeeded(metrics={"seconds": 60.0, "examples": 1200.0})
    earlier = RunRecord(run_id="old.train", task=TASK, state="succeeded", created=1.0, updated=2.0, end=end)
    like = judge([earlier])
    assert like.seconds == pytest.approx(OVERHEAD + 120)
    assert "old.train saw 1200 examples in 60 s" in like.basis
    served = judge([], Serve(name="first", model="Qwen/Qwen3-1.7B"))
    assert served.seconds is None
    assert "$3.95 an hour while its machine is up" in served.basis


def test_importing_it_is_cheap() -> None:
    code = "import sys, nls_sdk_modal; print({'torch', 'transformers', 'openai'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
