"""What `verify env` finds, where the token comes from, and what things cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
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
from nls_sdk.serve_config import ServeConfig
from nls_sdk.tasks import Serve, Train
from nls_sdk.verify import verify_volumes
from nls_sdk_modal import ModalProvider
from nls_sdk_modal.account import find_token
from nls_sdk_modal.estimate import OVERHEAD, estimate
from nls_sdk_modal.options import Options
from nls_sdk_modal.rates import LIST_DATE, Price, price

DATA = Artifact(path="artifacts/none", digest="0" * 64, size=0)
TASK = Train(name="first", base="Qwen/Qwen3-1.7B", data=DATA, recipe=Recipe())


RATES = {
    "gpu_hour_cost_h100": "3.10",
    "gpu_hour_cost_h200": "9",
    "cpu_hour_cost": "0.05",
    "cpu_hour_cost_sandbox": "7",
    "mem_gib_hour_cost": "0.01",
    "volume_gib_month_cost": "0.09",
}
"""An account's own, by the names that `modal billing rates` shows."""


def priced(rates: Mapping[str, str] | None = None, **options: object) -> Price:
    found = price(Options(**options), account={name: Decimal(value) for name, value in (rates or {}).items()})  # type: ignore[arg-type]  # options of several types
    assert found
    return found


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
    assert found["price"].message.startswith("$4.40 an hour; ")
    assert LIST_DATE in found["price"].message
    assert [check.status for check in verify_volumes(provider)] == ["ok"]


def test_what_the_account_lacks_is_told_with_its_remedy(loopback: Loopback, provider: ModalProvider) -> None:
    loopback.secret("huggingface-secret", SOMETHING="else")
    loopback.settings(rates=RATES)
    found = findings(provider)
    assert found["secret huggingface-secret"].status == "failed"
    assert "without HF_TOKEN or HUGGING_FACE_HUB_TOKEN" in found["secret huggingface-secret"].message
    assert found["price"].message.startswith(
        "$3.62 an hour; the account's own rates for H100, 4 cores and 32 GiB of memory"
    )
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


def test_a_machine_costs_its_gpus_its_cores_and_its_memory() -> None:
    listed = priced(gpu="H100:2", cpu=8.0, memory=65536)
    assert listed.per_hour == pytest.approx(2 * 3.95 + 8 * 0.0473 + 64 * 0.008)
    assert listed.per_second == pytest.approx(listed.per_hour / 3600)
    assert LIST_DATE in listed.source
    assert "H100:2, 8 cores and 64 GiB of memory" in listed.source
    assert priced(gpu="", cpu=1.0, memory=1024).per_hour == pytest.approx(0.0473 + 0.008)
    own = priced(RATES, cpu=2.0, memory=2048)
    assert own.per_hour == pytest.approx(3.10 + 2 * 0.05 + 2 * 0.01)
    assert "the account's own rates" in own.source
    assert priced(RATES, gpu="A10").per_hour > priced(gpu="L4").per_hour, "a GPU the account has no rate of"
    assert LIST_DATE in priced(RATES, gpu="A10").source
    assert priced(region="eu").per_hour == pytest.approx(1.75 * priced().per_hour)
    assert price(Options(gpu="Z9000")) is None
    assert priced(gpu="A100-80GB").per_hour - priced(gpu="A100").per_hour == pytest.approx(0.40)


def test_estimates_rest_on_what_ran_else_on_a_rule() -> None:
    def judge(runs: list[RunRecord], task: Train | Serve = TASK) -> Estimate:
        return estimate(task, runs=runs, price=priced(), gpu="H100", idle=120, examples=lambda _: 2400.0)

    rough = judge([])
    assert rough.seconds == pytest.approx(OVERHEAD + 300 * 0.014)
    by_trl = judge([], evolve(TASK, recipe=Recipe(lora_dropout=0.1)))
    assert by_trl.seconds == pytest.approx(OVERHEAD + 300 * 0.56)
    assert rough.dollars == pytest.approx(rough.seconds * (3.95 + 4 * 0.0473 + 32 * 0.008) / 3600)
    assert "nothing like it has run yet" in rough.basis
    assert "of 80 GB" in rough.basis
    end = Succeeded(metrics={"seconds": 60.0, "examples": 1200.0})
    earlier = RunRecord(run_id="old.train", task=TASK, state="succeeded", created=1.0, updated=2.0, end=end)
    like = judge([earlier])
    assert like.seconds == pytest.approx(OVERHEAD + 120)
    assert "old.train saw 1200 examples in 60 s" in like.basis
    served = judge([], Serve(name="first", model="Qwen/Qwen3-1.7B"))
    assert served.seconds is None
    assert "$4.40 an hour while its machine is up" in served.basis
    assert "120 s after the last request" in served.basis
    brief = judge([], Serve(name="first", model="m/m", config=ServeConfig(idle_timeout=30)))
    assert "30 s after the last request" in brief.basis


def test_importing_it_is_cheap() -> None:
    code = "import sys, nls_sdk_modal; print({'torch', 'transformers', 'openai'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
