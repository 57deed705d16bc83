from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
from worker_home import KEY

from nls_sdk.errors import ConfigError, RunFailed
from nls_sdk.events import Cancelled, Event, Ready
from nls_sdk.serve_config import ServeConfig
from nls_sdk.worker import serving, vllm_engine
from nls_sdk.worker.vllm_command import executable
from nls_sdk.worker.vllm_engine import serve_vllm


@pytest.fixture
def _vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command named vllm, first on the path, and a model of 777 tokens."""
    config = {"model_type": "qwen3", "max_position_embeddings": 777}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = tmp_path / "bin" / "vllm"
    command.parent.mkdir()
    source = Path(__file__).with_name("stub_vllm.py").read_text().partition("\n")[2]
    command.write_text(f"#!{sys.executable}\n{source}")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "vllm" in " ".join(child.cmdline())]


@pytest.mark.usefixtures("_vllm")
def test_it_serves_until_idle_and_leaves_nothing(
    tmp_path: Path, told: list[Event], capfd: pytest.CaptureFixture[str]
) -> None:
    config = ServeConfig(idle_timeout=2.0)
    urls: list[str] = []
    threading.Thread(target=_ask_once, args=(told, urls), daemon=True).start()
    started = time.monotonic()
    end = serve_vllm(tmp_path, config, serving.bind(0), KEY, told.append, caches=tmp_path)
    assert end == Cancelled("idle for 2 s")
    assert time.monotonic() - started > 3.0, "a request 1.5 s after the start puts the end off"
    assert [type(event).__name__ for event in told] == ["Log", "Log", "Ready"]
    assert urls
    assert _children() == []

    printed = capfd.readouterr().err
    arguments = json.loads(printed.partition("arguments: ")[2].partition("\n")[0])
    assert arguments[:2] == ["serve", str(tmp_path)]
    assert arguments[arguments.index("--max-model-len") + 1] == "777"
    assert arguments[arguments.index("--served-model-name") + 1] == "llm"
    kwargs = arguments[arguments.index("--default-chat-template-kwargs") + 1]
    assert json.loads(kwargs) == {"enable_thinking": False}
    assert KEY not in printed


@pytest.mark.usefixtures("_vllm")
def test_it_is_not_idle_while_a_request_runs(tmp_path: Path, told: list[Event]) -> None:
    urls: list[str] = []
    threading.Thread(target=_ask_once, args=(told, urls, 6.0), daemon=True).start()
    end = serve_vllm(
        tmp_path, ServeConfig(idle_timeout=3.0), serving.bind(0), KEY, told.append, caches=tmp_path
    )
    assert end == Cancelled("idle for 3 s")
    assert urls, "the request was answered"


@pytest.mark.usefixtures("_vllm")
def test_it_is_asked_directly_whatever_proxies_there_are(
    tmp_path: Path, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vllm_engine, "_START_TIMEOUT", 10.0)
    end = serve_vllm(
        tmp_path, ServeConfig(idle_timeout=1.0), serving.bind(0), KEY, told.append, caches=tmp_path
    )
    assert end == Cancelled("idle for 1 s")


def _ask_once(told: list[Event], urls: list[str], seconds: float = 0.0) -> None:
    while not (ready := [event for event in told if isinstance(event, Ready)]):
        time.sleep(0.05)
    time.sleep(1.5)
    url = f"{ready[0].url}/chat/completions"
    headers = {"authorization": f"Bearer {KEY}"}
    httpx.post(url, json={"sleep": seconds}, headers=headers, timeout=30).raise_for_status()
    urls.append(url)


@pytest.mark.usefixtures("_vllm")
def test_its_last_words_are_the_failure(
    tmp_path: Path, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASH", "1")
    with pytest.raises(RunFailed, match="vLLM ended with code 3: RuntimeError: out of sorts"):
        serve_vllm(tmp_path, ServeConfig(), serving.bind(0), KEY, told.append, caches=tmp_path)
    assert told == []


ALONE = """
import sys
from pathlib import Path
from nls_sdk.serve_config import ServeConfig
from nls_sdk.worker.serving import bind
from nls_sdk.worker.vllm_engine import serve_vllm
folder = Path(sys.argv[1])
serve_vllm(folder, ServeConfig(), bind(0), sys.argv[2], lambda event: print(event, flush=True), caches=folder)
"""


@pytest.mark.usefixtures("_vllm")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(tmp_path), KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert any("Ready" in line for line in worker.stdout)
        [server] = psutil.Process(worker.pid).children()
        worker.kill()
    assert psutil.wait_procs([server], timeout=10)[1] == []


@pytest.mark.skipif(executable() is not None, reason="vLLM is installed here")
def test_vllm_is_demanded_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match="vLLM is demanded, and is not installed"):
        serving.choose_engine("vllm")


@pytest.mark.usefixtures("_vllm")
def test_vllm_wants_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="A GPU is demanded"):
        serving.choose_engine("vllm")
    assert serving.choose_engine("auto") == "cpu"


def test_vllm_is_found_beside_python_in_an_environment_that_is_not_activated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "bin" / "vllm"
    beside.parent.mkdir()
    beside.write_text("#!/bin/sh\n")
    beside.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(beside.with_name("python")))
    monkeypatch.setenv("PATH", os.defpath)
    assert executable() == str(beside)
