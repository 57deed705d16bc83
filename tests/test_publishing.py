"""A merged model leaves with its card, and goes to a hub through the real client; the hub is on loopback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nls_sdk import MergedModel
from nls_sdk.errors import ArtifactError, ConfigError
from nls_sdk.publishing import card
from nls_sdk.testing import FakeProvider

pytest.importorskip("huggingface_hub")
TOKEN = "hf_secret"


class Hub:
    """Repositories by their id: whether each is private, and its files."""

    def __init__(self) -> None:
        self.repos: dict[str, tuple[bool, dict[str, bytes]]] = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hub.asked.append(self.path)
                if self.headers["authorization"] != f"Bearer {TOKEN}":
                    return self._answer({"error": "no"}, 401)
                return self._answer(hub.answer(self.path, body))

            def do_GET(self) -> None:
                self._answer({"error": "not here"}, 404)

            def _answer(self, values: Any, status: int = 200) -> None:
                sent = json.dumps(values).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str, body: bytes) -> Any:
        if path == "/api/repos/create":
            values = json.loads(body)
            name = "/".join(part for part in (values.get("organization"), values["name"]) if part)
            self.repos[name] = (
                "private" in (values.get("visibility"), values.get("private") and "private"),
                {},
            )
            return {"url": f"{self.url}/{name}", "name": name, "id": name}
        if path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            how = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [{"path": file["path"], **how} for file in files]}
        if "/commit/main" in path:
            name = path.removeprefix("/api/models/").partition("/commit")[0]
            files = self.repos[name][1]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return {"commitUrl": f"{self.url}/{name}/commit/1", "commitOid": "1" * 40, "success": True}
        return {"error": path}

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def model() -> MergedModel:
    provider = FakeProvider()
    files = {"config.json": b"{}", "model.safetensors": b"weights"}
    return MergedModel(provider, "first", provider.keep(files), "Answer in Sourcegraph.")


def test_what_is_exported_is_the_model_and_its_card(model: MergedModel, tmp_path: Path) -> None:
    folder = model.export(tmp_path / "out", base="Qwen/Qwen3-1.7B")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nbase_model: Qwen/Qwen3-1.7B\n")
    assert '"Answer in Sourcegraph."' in text
    assert "`enable_thinking=false`" in text
    with pytest.raises(ArtifactError):
        model.export(tmp_path / "out")


def test_a_base_that_the_hub_does_not_have_is_not_named_as_if_it_did() -> None:
    assert card("first", None, "s", "auto").startswith("---\nlibrary_name: transformers\n")


def test_a_card_says_what_is_in_eight_bits() -> None:
    assert "FP8" in card("first", "b", "s", "fp8")
    assert "FP8" not in card("first", "b", "s", "auto")


def test_no_such_precision_is_told_before_anything_is_copied(model: MergedModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="auto or fp8"):
        model.export(tmp_path / "out", precision="int4")  # type: ignore[arg-type]  # that is what is tested
    assert not (tmp_path / "out").exists()


def test_an_export_is_pushed_where_it_is_told_to(model: MergedModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'acme/two/parts' is no repository's id"):
        model.export(tmp_path / "out", push_to="acme/two/parts")
    assert (tmp_path / "out" / "README.md").exists()


def test_what_cannot_be_quantized_leaves_no_folder(model: MergedModel, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ArtifactError, match="no weights"):
        model.export(tmp_path / "out", precision="fp8")
    assert not (tmp_path / "out").exists()


PUSH = """
import sys
from pathlib import Path
from nls_sdk.errors import NlsError
from nls_sdk.publishing import push_to_hub
try:
    print(push_to_hub(Path(sys.argv[1]), sys.argv[2], token=sys.argv[3]))
except NlsError as error:
    print(type(error).__name__, error)
"""


def push(hub_url: str, folder: Path, repo: str, token: str, home: Path) -> str:
    """In a process of its own: the client reads the hub's address when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub_url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN"):
        environment.pop(name, None)
    command = [sys.executable, "-c", PUSH, str(folder), repo, token]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pushed_model_is_private_and_whole(hub: Hub, model: MergedModel, tmp_path: Path) -> None:
    folder = model.export(tmp_path / "out")
    assert push(hub.url, folder, "acme/first", TOKEN, tmp_path).strip() == f"{hub.url}/acme/first"
    private, files = hub.repos["acme/first"]
    assert private
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_refused_token_is_told_and_not_shown(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    said = push(hub.url, tmp_path / "out", "acme/first", "hf_wrong", tmp_path)
    assert said.startswith("ConfigError The hub refuses acme/first (401)")
    assert "hf_wrong" not in said


def test_a_hub_that_is_not_there_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    said = push("http://127.0.0.1:9", tmp_path / "out", "acme/first", TOKEN, tmp_path)
    assert said.startswith("ProviderUnavailable")
