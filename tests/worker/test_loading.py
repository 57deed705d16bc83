from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import huggingface_hub.constants
import torch

from nls_sdk.errors import ProviderError, ProviderUnavailable, RecipeError
from nls_sdk.worker.devices import choose_dtype
from nls_sdk.worker.loading import fetch, load_model, load_tokenizer

CPU = torch.device("cpu")
COMMIT = "a" * 40


class Hub:
    """A model hub on loopback that has one model, `acme/tiny`, and may break a download off."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.breaks = False
        self.status = 200
        self.ranges: list[str] = []
        self.sent: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET(send=False)

            def do_GET(self, send: bool = True) -> None:
                path = self.path.partition("?")[0]
                if hub.status != 200:
                    return self._send(
                        hub.status, b"{}", {"X-Error-Code": "GatedRepo"} if hub.status == 403 else {}
                    )
                if not path.startswith(("/api/models/acme/tiny", "/acme/tiny/")):
                    return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                if path.startswith("/api/"):
                    entries = [
                        {"type": "file", "path": n, "size": len(b), "oid": "0"} for n, b in files.items()
                    ]
                    info = {"id": "acme/tiny", "sha": COMMIT, "siblings": [{"rfilename": n} for n in files]}
                    return self._send(200, json.dumps(entries if "/tree/" in path else info).encode())
                body = files[path.rpartition("/")[2]]
                if send:
                    hub.sent.append(path.rpartition("/")[2])
                head = {"ETag": f'"{hash(body)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
                if wanted := self.headers["Range"]:
                    hub.ranges.append(wanted)
                    start = int(wanted.removeprefix("bytes=").partition("-")[0])
                    head["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                    return self._send(206, body[start:], head, send)
                return self._send(200, body, head, send)

            def _send(
                self, status: int, body: bytes, head: dict[str, str] | None = None, send: bool = True
            ) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(head or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                large = len(body) > 50_000
                if send:
                    self.wfile.write(body[: len(body) // 2] if hub.breaks and large else body)
                if hub.breaks and large:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub({file.name: file.read_bytes() for file in tiny_model.iterdir()})
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_a_hub_model_is_downloaded(hub: Hub, tiny_model: Path) -> None:
    folder = fetch("acme/tiny", lambda _: None)
    for file in tiny_model.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


def test_an_interrupted_download_can_be_taken_up(hub: Hub, tiny_model: Path) -> None:
    hub.breaks = True
    with pytest.raises(ProviderUnavailable, match="acme/tiny: the download was interrupted") as caught:
        fetch("acme/tiny", lambda _: None)
    assert caught.value.retryable
    assert "files that arrived whole are kept" in caught.value.hint
    hub.breaks = False
    hub.sent.clear()
    folder = fetch("acme/tiny", lambda _: None)
    assert (folder / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert hub.sent == ["model.safetensors"]


def test_no_such_model(hub: Hub) -> None:
    with pytest.raises(RecipeError, match="acme/tyni: neither a folder here nor a model on the hub"):
        fetch("acme/tyni", lambda _: None)


def test_a_gated_model(hub: Hub) -> None:
    hub.status = 403
    with pytest.raises(RecipeError, match="acme/tiny: the model is gated") as caught:
        fetch("acme/tiny", lambda _: None)
    assert "HF_TOKEN" in caught.value.hint


def test_a_hub_that_cannot_be_reached(hub: Hub) -> None:
    hub.server.shutdown()
    hub.server.server_close()
    with pytest.raises(ProviderUnavailable, match=r"acme/tiny: .*the hub cannot be reached"):
        fetch("acme/tiny", lambda _: None)


def test_a_name_that_cannot_be_an_id(hub: Hub) -> None:
    with pytest.raises(RecipeError, match="neither a folder here nor a model"):
        fetch("no such/model/here", lambda _: None)


def test_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    assert fetch(str(tiny_model), lambda _: None) == tiny_model
    with pytest.raises(RecipeError, match=r"config\.json is missing"):
        fetch(str(tmp_path), lambda _: None)
    with pytest.raises(RecipeError, match="no such folder"):
        fetch(str(tmp_path / "absent"), lambda _: None)


def test_damaged_files_are_named(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ProviderError, match=f"{tmp_path}: the model cannot be loaded"):
        load_model(tmp_path, torch.float32, CPU)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ProviderError, match=f"{tmp_path}: its tokenizer cannot be loaded"):
        load_tokenizer(tmp_path)


def test_dtype() -> None:
    assert choose_dtype("auto", CPU) == torch.float32
    assert choose_dtype("float32", CPU) == torch.float32
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
