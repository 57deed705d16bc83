"""The local provider's options, checks and estimates, and its cheap import."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import evolve
from client import STUB
from processes import wait_for

from nls_sdk import Dataset, Recipe
from nls_sdk.errors import ConfigError, RunNameTaken, RunNotFound
from nls_sdk.events import Log, Succeeded
from nls_sdk.providers import RunRecord
from nls_sdk.tasks import DryRun, Merge, Serve, Train
from nls_sdk.training import push_dataset
from nls_sdk_local import LocalProvider
from nls_sdk_local.estimate import estimate
from nls_sdk_local.machine import gpus

PAIRS = [(f"question {i}", "lang:go") for i in range(10)]


@pytest.fixture
def train(provider: LocalProvider) -> Train:
    data = push_dataset(provider, Dataset.from_pairs(PAIRS))
    return Train(name="quick", base="some/model", data=data, recipe=Recipe(epochs=2))


def test_importing_it_is_cheap() -> None:
    code = "import sys, nls_sdk_local; print({'torch', 'transformers', 'openai'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_home_is_nls_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLS_HOME", str(tmp_path / "mine"))
    assert LocalProvider().home == tmp_path / "mine"
    monkeypatch.delenv("NLS_HOME")
    assert LocalProvider().home.name == "nls_sdk"


def test_making_one_writes_nothing(provider: LocalProvider) -> None:
    assert list(provider.runs()) == []
    assert not provider.home.exists()


def test_a_home_that_cannot_be_used_is_the_same_error_everywhere(tmp_path: Path, train: Train) -> None:
    file = tmp_path / "file"
    file.touch()
    for home in (file / "home", file):
        provider = LocalProvider(home, worker=STUB)
        calls = [lambda p=provider: p.push(file), lambda p=provider: p.submit(train)]
        if home.exists():
            calls += [
                provider.runs,
                lambda p=provider: p.events("a.train"),
                lambda p=provider: p.estimate(train),
            ]
        for call in calls:
            with pytest.raises(ConfigError, match=f"{home}: the home folder cannot be used") as caught:
                call()
            assert "NLS_HOME" in caught.value.hint
        [found] = [check for check in provider.check() if check.name == "home"]
        assert (found.status, found.message[: len(str(home))]) == ("failed", str(home))
        assert "NLS_HOME" in found.fix


def test_a_home_on_a_disk_that_only_reads(small_disk: Path, train: Train) -> None:
    provider = LocalProvider(small_disk / "home", worker=STUB)
    run_id = provider.submit(train)
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    # Refused until the run's supervisor has closed its files.
    remount = ["mount", "-o", "remount,ro", small_disk]
    wait_for(lambda: subprocess.run(remount, capture_output=True).returncode == 0)
    assert provider.runs()[0].state == "succeeded"
    assert provider.events(run_id)
    for call in (lambda: provider.push(Path(__file__)), lambda: provider.submit(train)):
        with pytest.raises(ConfigError, match="the home folder cannot be used"):
            call()


def test_it_shows_where_its_runs_are(tmp_path: Path) -> None:
    shown = repr(LocalProvider(tmp_path, worker=["run", "--token", "s3cret"]))
    assert shown == f"LocalProvider(home={str(tmp_path)!r})"


@pytest.mark.skipif(bool(gpus()), reason="this machine has a GPU")
def test_a_gpu_that_is_demanded_must_be_there() -> None:
    with pytest.raises(ConfigError, match="no NVIDIA GPU"):
        LocalProvider(gpu="H100")


def show_gpus(folder: Path, monkeypatch: pytest.MonkeyPatch, *gpus: str) -> None:
    """Stand in for the driver's tool."""
    tool = folder / "nvidia-smi"
    lines = "\n".join(gpus)
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("gpu", "visible", "seen", "arguments"),
    [
        (True, None, "GPU-aa", ["--device", "cuda"]),
        ("h100", None, "GPU-bb", ["--device", "cuda"]),
        ("H100", "2,1", "GPU-cc", ["--device", "cuda"]),
        (True, "GPU-b", "GPU-bb", ["--device", "cuda"]),
        (False, None, "", []),
        (None, "1", "1", []),
        (None, None, None, []),
    ],
)
def test_the_worker_is_given_the_gpu_that_is_demanded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    train: Train,
    gpu: str | bool | None,
    visible: str | None,
    seen: str | None,
    arguments: list[str],
) -> None:
    h100 = "NVIDIA H100, 81559 MiB"
    show_gpus(tmp_path, monkeypatch, "GPU-aa, NVIDIA T4, 15360 MiB", f"GPU-bb, {h100}", f"GPU-cc, {h100}")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    provider = LocalProvider(tmp_path / "home", gpu=gpu, worker=STUB)
    run_id = provider.submit(evolve(train, name="gpu"))
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    [told, _] = provider.events(run_id)
    assert isinstance(told, Log)
    assert json.loads(told.text) == [seen, arguments]


def test_a_gpu_that_is_hidden_cannot_be_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show_gpus(tmp_path, monkeypatch, "GPU-aa, NVIDIA T4, 15360 MiB", "GPU-bb, NVIDIA H100, 81559 MiB")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ConfigError, match="NVIDIA T4"):
        LocalProvider(gpu="H100")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ConfigError, match="no NVIDIA GPU"):
        LocalProvider(gpu=True)


def test_a_gpu_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show_gpus(tmp_path, monkeypatch, "GPU-aa, NVIDIA T4, 15360 MiB")
    with pytest.raises(ConfigError, match="NVIDIA T4"):
        LocalProvider(gpu="H100")
    assert LocalProvider(gpu="t4").check()
    assert LocalProvider(gpu=True).check()


def test_checks_name_what_is_there(tmp_path: Path) -> None:
    findings = {check.name: check for check in LocalProvider(tmp_path).check()}
    assert list(findings) == ["home", "disk", "memory", "gpu", "worker", "server"]
    assert findings["home"].message == str(tmp_path)
    assert "torch" in findings["worker"].message


def test_of_a_command_of_the_users_own_only_the_program_is_looked_at(tmp_path: Path) -> None:
    findings = {check.name: check for check in LocalProvider(tmp_path, worker="env python").check()}
    assert {name: check.status for name, check in findings.items() if name != "disk"} == {
        "home": "ok",
        "worker": "warning",
    }
    assert "run by env:" in findings["worker"].message
    [worker] = [c for c in LocalProvider(tmp_path, worker=["no-srun", "x"]).check() if c.name == "worker"]
    assert worker.status == "failed"
    assert "no-srun: there is no such command" in worker.message


def test_an_unknown_run_and_a_path_are_not_found(provider: LocalProvider, train: Train) -> None:
    provider.submit(train)
    for run_id in ("quick.trian", "../quick.train", "", "."):
        with pytest.raises(RunNotFound, match=str(provider.home)):
            provider.events(run_id)
    with pytest.raises(ConfigError):
        provider.submit(evolve(train, name="../elsewhere"))


def test_estimates_rest_on_what_ran_here(provider: LocalProvider, train: Train) -> None:
    assert provider.estimate(train).seconds is None
    begun = time.monotonic()
    provider.submit(train)
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    wall = time.monotonic() - begun
    doubled = provider.estimate(evolve(train, recipe=Recipe(epochs=4)))
    assert doubled.seconds is not None
    # The training measured 30 s over all its attempts, and this one has twice the examples.
    assert 60.0 < doubled.seconds <= 60.0 + wall, "starting, loading and saving are counted once"
    assert doubled.dollars == 0.0
    assert "quick.train" in doubled.basis
    assert "to start, load and save" in doubled.basis
    assert provider.estimate(evolve(train, base="another/model")).seconds is None
    assert provider.estimate(Serve(name="quick", model="some/model")).seconds is None


def test_estimates_tell_what_a_dry_run_held(tmp_path: Path, train: Train) -> None:
    dry = DryRun(name="tried", base=train.base, data=train.data, recipe=train.recipe)
    end = Succeeded(metrics={"peak_gpu_bytes": 5.66e9})
    runs = [RunRecord(run_id="tried.dry-run", task=dry, state="succeeded", created=1.0, updated=2.0, end=end)]

    def basis(task: Train) -> str:
        return estimate(tmp_path, task, runs, lambda _: []).basis

    assert basis(train).endswith("; 5.7 GB of GPU memory, as tried.dry-run held")
    assert "memory" not in basis(evolve(train, recipe=evolve(train.recipe, lora_r=64)))
    assert "memory" not in basis(evolve(train, base="another/model"))


def test_a_taken_name_says_what_differs(provider: LocalProvider, train: Train) -> None:
    provider.submit(train)
    other = push_dataset(provider, Dataset.from_pairs(PAIRS[1:]))
    with pytest.raises(RunNameTaken, match=r"data: content .*, now content .*; recipe.lora_r: 16, now 8"):
        provider.submit(evolve(train, data=other, recipe=Recipe(epochs=2, lora_r=8)))


def test_an_ended_dry_run_gives_its_name_to_another(provider: LocalProvider, train: Train) -> None:
    dry = DryRun(name="quick", base=train.base, data=train.data, recipe=train.recipe)
    provider.submit(dry)
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    other = evolve(dry, recipe=Recipe(lora_r=8))
    assert provider.submit(other) == "quick.dry-run"
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    assert provider.runs()[0].task == other
    assert len(list((provider.home / "runs" / "quick.dry-run").glob("events*.jsonl"))) == 2


def test_checkpoints_outlive_attempts_that_told_nothing(provider: LocalProvider, train: Train) -> None:
    task = evolve(train, name="halting")
    run_id = provider.submit(task)
    wait_for(lambda: provider.runs()[0].progress)
    for _ in range(3):
        provider.cancel(run_id)
        with pytest.raises(RunNameTaken, match="learning_rate"):
            provider.submit(evolve(task, recipe=evolve(task.recipe, learning_rate=1e-3)))
        provider.submit(evolve(task, recipe=evolve(task.recipe, logging_steps=1)))
    assert provider.runs()[0].task.recipe.logging_steps == 1  # type: ignore[union-attr]  # any other task fails here
    assert (provider.home / "runs" / run_id / "checkpoints").is_dir()


def test_a_finished_merge_keeps_its_name(provider: LocalProvider, train: Train) -> None:
    merge = Merge(name="quick", base="some/model", adapter=train.data)
    provider.submit(merge)
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    with pytest.raises(RunNameTaken):
        provider.submit(evolve(merge, base="another/model"))


def test_a_task_of_another_version_keeps_its_name(provider: LocalProvider, train: Train) -> None:
    provider.submit(train)
    wait_for(lambda: provider.runs()[0].state == "succeeded")
    file = provider.home / "runs" / "quick.train" / "task.json"
    file.write_text(json.dumps({"kind": "distil"}))
    assert list(provider.runs()) == []
    with pytest.raises(RunNameTaken, match="not a task"):
        provider.submit(train)
