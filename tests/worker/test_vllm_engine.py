from __future__ import annotations

import json
import os
import stat
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
from nls_sdk.tasks import ServeConfig
from nls_sdk.worker import serving
from nls_sdk.worker.vllm_engine import serve_vllm


@pytest.fixture
def _vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command named vllm, first on the path."""
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
    config = ServeConfig(idle_timeout=2.0, max_length=777)
    urls: list[str] = []
    threading.Thread(target=_ask_once, args=(told, urls), daemon=True).start()
    started = time.monotonic()
    end = serve_vllm(tmp_path, config, serving.bind(0), KEY, told.append)
    assert end == Cancelled("idle for 2 s")
    assert time.monotonic() - started > 3.0, "a request 1.5 s after the start puts the end off"
    assert [type(event).__name__ for event in told] == ["Log", "Ready"]
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


def _ask_once(told: list[Event], urls: list[str]) -> None:
    while not (ready := [event for event in told if isinstance(event, Ready)]):
        time.sleep(0.05)
    time.sleep(1.5)
    url = f"{ready[0].url}/chat/completions"
    httpx.post(url, json={}, headers={"authorization": f"Bearer {KEY}"}).raise_for_status()
    urls.append(url)


@pytest.mark.usefixtures("_vllm")
def test_its_last_words_are_the_failure(
    tmp_path: Path, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASH", "1")
    with pytest.raises(RunFailed, match="vLLM ended with code 3: RuntimeError: out of sorts"):
        serve_vllm(tmp_path, ServeConfig(), serving.bind(0), KEY, told.append)
    assert told == []


@pytest.mark.skipif(serving.shutil.which("vllm") is not None, reason="vLLM is installed here")
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
    assert serving.choose_engine("auto") == "transformers"
