"""Jobs at Modal: limits, pushes, secrets, code, options."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

import pytest
from attrs import asdict, evolve
from loopback.client import Loopback
from places import QUICK_WORKER, make_provider, wait_for
from quick_jobs import adapter, finish, steps_of, training, undisturbed

from nls_sdk.errors import ConfigError, ProviderError
from nls_sdk.events import Cancelled, Log, Succeeded
from nls_sdk.providers import RunRecord
from nls_sdk.tasks import Merge, Train
from nls_sdk_modal import ModalProvider
from nls_sdk_modal.layout import Attempt, Machine, dump

pytestmark = pytest.mark.usefixtures("quick_worker")


@pytest.fixture
def train(provider: ModalProvider, tmp_path: Path) -> Train:
    return training(provider, tmp_path, "quick")


def test_a_limit_of_time_stops_the_job(loopback: Loopback, tmp_path: Path) -> None:
    limited = make_provider(max_duration=3)
    run_id = limited.submit(training(limited, tmp_path, "slow", steps=1000))
    end = finish(limited, run_id)[-1]
    assert isinstance(end, Cancelled)
    assert end.reason == "max_duration of 3 s is reached"
    [record] = limited.runs()
    assert 3 <= (record.seconds or 0) < 8
    wait_for(lambda: not loopback.containers(app=limited.options.app), seconds=10)


def test_a_limit_of_cost_stops_the_job(loopback: Loopback, tmp_path: Path) -> None:
    # Its cores and its memory cost as much as its GPU does: counted too, they halve its time.
    limited = make_provider(max_cost=0.006, cpu=64.0, memory=115 * 1024)
    run_id = limited.submit(training(limited, tmp_path, "slow", steps=1000))
    end = finish(limited, run_id)[-1]
    assert isinstance(end, Cancelled)
    assert end.reason == "max_cost of $0.006 is reached"
    [record] = limited.runs()
    assert 0.006 <= (record.dollars or 0) < 0.02
    assert record.dollars == pytest.approx((record.seconds or 0) * (3.95 + 64 * 0.0473 + 115 * 0.008) / 3600)
    [container] = loopback.containers(alive=False, app=limited.options.app)
    assert container["milli_cpu"] == [64_000, 64_000], "what is paid for is what there is"
    assert container["memory_mb"] == [115 * 1024, 115 * 1024]
    dear = make_provider(max_cost=1, gpu="Z9000")
    task = training(dear, tmp_path, "quick")
    with pytest.raises(ConfigError, match="no price is known"):
        dear.submit(task)


def test_a_limit_that_a_run_under_way_does_not_keep_is_refused(tmp_path: Path) -> None:
    limited = make_provider(max_duration=300)
    task = training(limited, tmp_path, "slow", steps=1000)
    run_id = limited.submit(task)
    for same in ({"max_duration": 300.0}, {"max_duration": 0.0}, {"max_duration": 301.0}):
        assert ModalProvider(**{**asdict(limited.options), **same}).submit(task) == run_id
    shorter = ModalProvider(**{**asdict(limited.options), "max_duration": 0.0, "max_cost": 0.1})
    with pytest.raises(ConfigError) as caught:
        shorter.submit(task)
    assert "under way with max_duration of 300 s" in caught.value.message
    assert "max_cost of $0.1 would not be kept" in caught.value.message
    assert "`nls-finetune cancel --run-name slow`" in caught.value.hint
    shorter.cancel(run_id)
    assert shorter.submit(task) == run_id
    shorter.cancel(run_id)
    assert shorter._last(run_id).asked.limit == "max_cost of $0.1 is reached"  # type: ignore[union-attr]  # it was just there


def test_what_a_run_cost_is_told_over_all_its_attempts(tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "slow", steps=1000)
    told: list[RunRecord] = []
    for attempt in (1, 2):
        run_id = provider.submit(task)
        folder = Attempt(run_id, attempt).containers
        other = Machine(task="ta-other", call_id="", started=0.0, seconds=3600.0 * attempt)
        provider._volume.write(f"{folder}/ta-other.json", dump(other))
        wait_for(lambda: provider.runs()[0].state == "running")
        provider.cancel(run_id)
        told += provider.runs()
    assert [round(record.seconds or 0, -2) for record in told] == [3600, 3 * 3600]
    hour = 3.95 + 4 * 0.0473 + 32 * 0.008
    assert [record.dollars for record in told] == pytest.approx([hour, 3 * hour], rel=0.05)


def test_cancelling_leaves_no_container(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=1000))
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    provider.cancel(run_id)
    assert loopback.containers(app=provider.options.app) == []
    assert isinstance(provider.events(run_id)[-1], Cancelled)


def test_the_second_push_sends_nothing(loopback: Loopback, tmp_path: Path, provider: ModalProvider) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "weights").write_bytes(os.urandom(1 << 20))
    provider.push(folder)
    sent, puts = loopback.state()["uploaded"], loopback.state()["rpcs"]["VolumePutFiles2"]
    provider.push(folder)
    make_provider(volume=provider.options.volume).push(folder)
    assert loopback.state()["uploaded"] == sent
    assert loopback.state()["rpcs"]["VolumePutFiles2"] == puts


def test_a_disk_that_takes_no_more_is_not_taken_for_modal(tmp_path: Path, provider: ModalProvider) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"0123456789" * 1000)
    artifact = provider.push(file)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            provider.pull(artifact, tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert provider.pull(artifact, tmp_path / "copy").read_bytes() == file.read_bytes()


def test_looking_starts_no_container(loopback: Loopback, train: Train, provider: ModalProvider) -> None:
    finish(provider, provider.submit(train))
    before = len(loopback.containers(alive=False))
    another = make_provider(**{k: getattr(provider.options, k) for k in ("app", "serve_app", "volume")})
    assert [record.state for record in another.runs()] == ["succeeded"]
    assert another.events(train.run_id) == provider.events(train.run_id)
    another.estimate(train)
    another.check()
    assert len(loopback.containers(alive=False)) == before


def test_secrets_are_not_told(tmp_path: Path, provider: ModalProvider) -> None:
    told = finish(provider, provider.submit(training(provider, tmp_path, "leaky")))
    assert [event.text for event in told if isinstance(event, Log)] == ["the token is ***"]


def test_code_that_changes_builds_nothing(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    from nls_sdk_modal import app

    finish(provider, provider.submit(training(provider, tmp_path, "quick")))
    images = loopback.state()["images"]
    version = app.code_version(provider.options, ["huggingface-secret"])
    name = f"{provider.options.app}-{version[:8]}"
    finish(provider, provider.submit(training(provider, tmp_path, "again")))
    [made] = [a for a in loopback.state()["apps"].values() if a["name"] == name]
    volume = provider.options.volume
    assert made["tags"] == {"managed-by": "nls-sdk", "nls-volume": volume, "nls-code": version}
    assert made["deployed"] == 1
    app.jobs_app(evolve(provider.options, timeout=999), ["huggingface-secret"]).deploy()
    assert loopback.state()["images"] == images, "an image was built again"
    heavy = [line for lines in images.values() for line in lines if "torch" in line]
    assert heavy
    assert all("==" in line for line in heavy)


def test_a_training_is_shared_by_the_gpus_that_are_asked_for(loopback: Loopback, tmp_path: Path) -> None:
    pair, single = make_provider(gpu="H100:2"), make_provider(gpu="H100")
    task = training(pair, tmp_path, "quick")
    told = finish(pair, pair.submit(task))
    assert adapter(told).digest == undisturbed(task, tmp_path)
    assert "2 processes share it" in [event.text for event in told if isinstance(event, Log)]
    [container] = loopback.containers(alive=False, app=pair.options.app)
    assert (container["gpu"], container["gpus"]) == ("H100", 2)
    [record] = pair.runs()
    assert (record.dollars or 0) / (record.seconds or 1) > 1.8 * 3.95 / 3600
    apart, together = single.estimate(task), make_provider(gpu="H100:2").estimate(task)
    assert (together.dollars or 0) / (together.seconds or 1) > 1.8 * (apart.dollars or 0) / (
        apart.seconds or 1
    )


def test_a_merge_reads_what_a_training_wrote(tmp_path: Path, provider: ModalProvider) -> None:
    task = training(provider, tmp_path, "quick")
    trained = adapter(finish(provider, provider.submit(task)))
    told = finish(provider, provider.submit(Merge(name="quick", base=task.base, adapter=trained)))
    assert isinstance(told[-1], Succeeded)
    folder = provider.pull(told[-1].outputs["model"], tmp_path / "model")
    assert (folder / "weights").read_text()


def test_nothing_is_made_in_the_machines_own_root(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider
) -> None:
    before = sorted(Path("/").iterdir())
    run_id = provider.submit(training(provider, tmp_path, "slow"))
    wait_for(lambda: steps_of(list(provider.events(run_id))))
    assert sorted(Path("/").iterdir()) == before, "another loopback Modal that removes it takes it from ours"
    provider.cancel(run_id)


def test_options_are_checked_before_anything_is_sent() -> None:
    for options, said in (
        ({"gpuu": "H100"}, "Did you mean 'gpu'"),
        ({"max_cost": -1}, "0 or more dollars"),
        ({"gpu": "H100:0"}, "a GPU's name"),
        ({"gpu": "H100, A100"}, "a GPU's name"),
        ({"retries": "3"}, "a whole number"),
        ({"volume": "a/b"}, "cannot be a name"),
        ({"snapshot": True, "router": "web_function"}, "snapshot needs router"),
    ):
        with pytest.raises(ConfigError) as caught:
            ModalProvider(**options)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("raise ImportError('left out')", "the image has no wandb: progress is not sent"),
        (
            "import pathlib, types\n"
            "def init(**how):\n"
            "    assert how['name'] == 'quick' and how['resume'] == 'allow'\n"
            "    def log(figures, step): print('wandb', step, figures, flush=True)\n"
            "    return types.SimpleNamespace(log=log)\n",
            "progress goes to wandb too",
        ),
        ("def init(**how): raise OSError('no network')", "wandb cannot be reached, progress is not sent"),
    ],
)
def test_progress_goes_to_wandb_where_its_secret_and_its_package_are(
    loopback: Loopback, tmp_path: Path, provider: ModalProvider, package: str, said: str
) -> None:
    overlay = shutil.copytree(QUICK_WORKER, tmp_path / "overlay")
    (overlay / "wandb.py").write_text(package)
    loopback.secret("wandb-secret", WANDB_API_KEY="wandb-loopback-key")
    loopback.settings(overlay=str(overlay))
    try:
        told = finish(provider, provider.submit(training(provider, tmp_path, "quick")))
    finally:
        loopback.forget_secret("wandb-secret")
    assert adapter(told)
    assert said in " ".join(event.text for event in told if isinstance(event, Log))
    assert any("wandb==" in line for lines in loopback.state()["images"].values() for line in lines)
    [container] = loopback.containers(alive=False, app=provider.options.app)
    log = Path(container["log"]).read_text()
    assert ("wandb 12 {'loss': " in log) == ("goes to wandb" in said)
    assert "wandb-loopback-key" not in log


def test_without_its_secret_nothing_is_said_of_wandb(tmp_path: Path, provider: ModalProvider) -> None:
    told = finish(provider, provider.submit(training(provider, tmp_path, "quick")))
    assert not [event for event in told if isinstance(event, Log) and "wandb" in event.text]


def test_a_run_of_another_version_is_told_and_left_alone(tmp_path: Path, provider: ModalProvider) -> None:
    provider._volume.write_new("runs/quick.train/attempts/1/asked.json", b'{"task": "of another version"}')
    with pytest.raises(ProviderError, match="left by another version"):
        provider.submit(training(provider, tmp_path, "quick"))
    assert provider.runs() == []
