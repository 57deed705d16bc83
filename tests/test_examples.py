"""Each example, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import attrs
import psutil
import pytest

from nls_sdk.synthetic import write
from nls_sdk_local import LocalProvider

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


def run(place: Path, example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments],
        cwd=place,
        env={**os.environ, "NLS_HOME": str(place / "home")},
        capture_output=True,
        text=True,
    )


def left_running(place: Path) -> list[str]:
    return [
        " ".join(p.info["cmdline"])
        for p in psutil.process_iter(["cmdline"])
        if str(place) in (p.info["cmdline"] or [])
    ]


def test_quickstart_then_reattach(place: Path) -> None:
    quickstart = run(place, "quickstart.py", "64")
    assert quickstart.returncode == 0, quickstart.stderr
    assert "outputs={'adapter': Artifact(path='runs/quickstart.train/adapter'" in quickstart.stdout
    assert "│ Semantic Match │" in quickstart.stdout

    other = run(place, "quickstart.py", "65")
    assert other.returncode == 1
    assert "train.jsonl is there already with other content" in other.stderr
    assert "another folder" in other.stderr
    assert "Traceback" not in other.stderr

    again = run(place, "reattach.py", "local:quickstart.train")
    assert again.returncode == 0, again.stderr
    assert "quickstart: an adapter, trained to a loss of" in again.stdout

    unknown = run(place, "reattach.py", "local:quickstrat.train")
    assert unknown.returncode == 1
    assert "quickstart.train" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_train_and_evaluate(place: Path) -> None:
    recipe = attrs.evolve(LocalProvider(place / "home").demo_recipe(), max_steps=2)
    recipe.to_toml(place / "recipe.toml")
    data, _ = write(place / "own", train=60, val=10)
    done = run(place, "train_and_evaluate.py", str(data), "--recipe", str(place / "recipe.toml"))
    # Two steps teach nothing: the targets are missed, and the script says so.
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout
    assert "Untuned" in done.stdout

    data, _ = write(place / "more", train=70, val=10)
    taken = run(place, "train_and_evaluate.py", str(data), "--recipe", str(place / "recipe.toml"))
    assert taken.returncode == 1
    assert "example.train exists with another configuration" in taken.stderr
    assert "Traceback" not in taken.stderr

    missing = run(place, "train_and_evaluate.py", "absent.jsonl")
    assert missing.returncode == 1
    assert "absent.jsonl: no such file" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_no_example_leaves_a_process_behind(place: Path) -> None:
    assert (place / "home" / "runs").is_dir()
    assert left_running(place / "home") == []
