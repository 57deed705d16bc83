"""The front door: what `import nls_sdk` gives, and what it leaves alone."""

import json
import subprocess
import sys
from pathlib import Path

import nls_sdk

HEAVY = {
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "modal",
    "openai",
    "vllm",
    "httpx",
    "stamina",
    "rich",
}


def test_everything_listed_is_there_and_sorted() -> None:
    assert list(nls_sdk.__all__) == sorted(nls_sdk.__all__)
    assert all(hasattr(nls_sdk, name) for name in nls_sdk.__all__)


def test_what_the_mission_names_is_listed() -> None:
    objects = {"Dataset", "TrainingJob", "MergedModel", "Endpoint", "Evaluator"}
    assert objects | {"Recipe", "Adapter", "Report", "attach", "provider", "baseline"} <= set(nls_sdk.__all__)


def test_the_import_leaves_the_heavy_libraries_alone() -> None:
    code = "import sys, json, nls_sdk, nls_sdk_local, nls_sdk_openai; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & {name.partition(".")[0] for name in json.loads(out)}


def test_no_file_is_over_400_lines() -> None:
    root = Path(__file__).parents[1]
    files = [
        file
        for top in ("src", "providers", "tests", "benchmarks", "examples")
        for file in (root / top).rglob("*.py")
    ]
    assert len(files) > 30
    assert [str(file) for file in files if len(file.read_text("utf-8").splitlines()) > 400] == []
