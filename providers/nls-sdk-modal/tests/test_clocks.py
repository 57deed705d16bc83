"""Laptops whose clock is an hour off: the Volume's clock decides what lives and what was left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loopback.client import Loopback
from places import make_provider, wait_for
from quick_jobs import training

from nls_sdk.tasks import Serve, dump_task
from nls_sdk_modal import ModalProvider

pytestmark = [pytest.mark.usefixtures("quick_worker"), pytest.mark.parametrize("skew", [-3600.0, 3600.0])]

_SKEWED = """
import json, sys, time
skew, options, task = json.loads(sys.argv[1])
true = time.time
time.time = lambda: true() + skew
from nls_sdk.tasks import load_task
from nls_sdk_modal import ModalProvider
provider = ModalProvider(device="auto", commit_seconds=0.2, **options)
"""
_LOOK = _SKEWED + "print(json.dumps({record.run_id: record.state for record in provider.runs()}))"
_OWN = _SKEWED + "print(provider.submit(load_task(task)), flush=True); sys.stdin.read()"


def laptop(
    code: str, skew: float, provider: ModalProvider, task: Serve | None = None
) -> subprocess.Popen[str]:
    """Another laptop of the account, whose clock is wrong."""
    options = {
        name: getattr(provider.options, name) for name in ("volume", "app", "serve_app", "port", "lease")
    }
    argument = json.dumps([skew, options, task and dump_task(task)])
    command = [sys.executable, "-c", code, argument]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def look(skew: float, provider: ModalProvider) -> dict[str, str]:
    """The states of all runs, as it sees them."""
    states: dict[str, str] = json.loads(laptop(_LOOK, skew, provider).communicate(timeout=60)[0])
    return states


def server(provider: ModalProvider, folder: Path) -> Serve:
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_text("quick")
    return Serve(name="quick", model=provider.push(folder / "model"))


def test_a_wrong_clock_ends_nothing_that_lives(loopback: Loopback, tmp_path: Path, skew: float) -> None:
    provider = make_provider(lease=60.0)
    provider.submit(server(provider, tmp_path))
    wait_for(lambda: provider.runs()[0].state == "ready")
    # A job that was claimed a moment ago, and whose call is not written down yet.
    run_id = provider.submit(training(provider, tmp_path, "slow", steps=1000))
    runs = loopback.volume(provider.options.volume) / "runs"
    claim = runs / "new.train" / "attempts" / "1" / "asked.json"
    claim.parent.mkdir(parents=True)
    shutil.copyfile(runs / run_id / "attempts" / "1" / "asked.json", claim)
    states = look(skew, provider)
    assert (states["quick.serve"], states["new.train"]) == ("ready", "queued")
    provider.cancel(run_id)
    provider.cancel("quick.serve")


def test_the_server_of_a_client_with_a_wrong_clock_lives_as_long_as_it(
    loopback: Loopback, tmp_path: Path, skew: float
) -> None:
    provider = make_provider(lease=4.0)
    task = server(provider, tmp_path)
    with laptop(_OWN, skew, provider, task) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "quick.serve\n"
        wait_for(lambda: provider.events("quick.serve") and provider.runs()[0].state == "ready")
        owner.kill()
    wait_for(lambda: look(skew, provider)["quick.serve"] == "cancelled", seconds=20)
    assert loopback.containers(app=provider.options.serve_app) == []
