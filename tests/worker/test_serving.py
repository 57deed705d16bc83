from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
from attrs import frozen
from tiny import QUESTIONS
from worker_home import KEY, Home, finish, make_home, read_until

from nls_sdk import Endpoint, Recipe
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ConfigError
from nls_sdk.events import Cancelled, Failed, Ready
from nls_sdk.prompt import prompt
from nls_sdk.serve_config import ServeConfig
from nls_sdk.tasks import Merge, Serve, Train
from nls_sdk.worker.data import IGNORED
from nls_sdk.worker.loading import context_length
from nls_sdk.worker.merging import merge
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.serving import IdleClock, choose_engine
from nls_sdk.worker.training import open_trainer, open_workshop, train


@frozen
class Served:
    """A server of the tiny model, trained, merged and served by the worker."""

    home: Home
    task: Train
    model: Artifact
    url: str

    def tokens(self, question: str, **body: Any) -> list[int]:
        """The token ids of the prompt, as the server says it renders it."""
        answer = httpx.post(
            self.url.removesuffix("/v1") + "/tokenize",
            json={"model": "llm", "messages": prompt(question), **body},
            headers={"authorization": f"Bearer {KEY}"},
        )
        return list(answer.raise_for_status().json()["tokens"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, recipe: Recipe) -> Iterator[Served]:
    home = make_home(tmp_path_factory.mktemp("home"), tiny_model)
    task = Train(name="a", base=home.base, data=home.data, recipe=attrs.evolve(recipe, max_steps=2))
    adapter = train(home.write(task), task, print).outputs["adapter"]
    merging = Merge(name="a", base=home.base, adapter=adapter)
    model = merge(home.write(merging), merging, print).outputs["model"]
    process = home.start(Serve(name="a", model=model))
    *_, ready = read_until(process, lambda event: isinstance(event, Ready))
    assert isinstance(ready, Ready)
    yield Served(home, task, model, ready.url)
    process.send_signal(signal.SIGTERM)
    events, printed, code = finish(process)
    assert (events[-1], code) == (Cancelled(), 0)
    assert KEY not in printed + repr(events)


def test_the_served_prompt_is_the_trained_context_token_for_token(served: Served, tmp_path: Path) -> None:
    """What the trainer's own collator hides from the loss, against what the running server renders."""
    shop = open_workshop(served.home.write(served.task), served.task, print, "cpu")
    trainer = open_trainer(shop, shop.rows, served.task.recipe, tmp_path, Meter(print, 1))
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(20)])
    for i, (question, query) in enumerate(QUESTIONS[:20]):
        real = batch["attention_mask"][i] == 1
        trained = batch["labels"][i] != IGNORED
        context = batch["input_ids"][i][real & ~trained].tolist()
        assert served.tokens(question) == context
        assert served.tokens(question, chat_template_kwargs={"enable_thinking": False}) == context
        assert shop.tokenizer.decode(batch["input_ids"][i][trained]) == f"{query}<|im_end|>\n"
        assert shop.tokenizer.decode(context).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
        assert bool(trained[len(context) : int(real.sum())].all()), "the answer is one span, at the end"


def test_who_wants_thinking_can_have_it(served: Served) -> None:
    thinking = served.tokens(QUESTIONS[0][0], chat_template_kwargs={"enable_thinking": True})
    plain = served.tokens(QUESTIONS[0][0])
    assert thinking == plain[: len(thinking)]
    assert len(thinking) < len(plain)


def test_it_translates(served: Served) -> None:
    translation = Endpoint(served.url, api_key=KEY, max_tokens=5).translate("go files")
    assert translation.server_seconds is not None
    assert translation.finish_reason in ("length", "stop")


def test_it_wants_the_key(served: Served) -> None:
    assert httpx.get(f"{served.url}/models").status_code == 401


def test_the_limit_is_never_beyond_what_the_model_can_read(served: Served) -> None:
    listed = httpx.get(f"{served.url}/models", headers={"authorization": f"Bearer {KEY}"}).json()["data"][0]
    folder = served.home.path / "artifacts" / "base"
    assert listed["max_model_len"] == context_length(folder) < ServeConfig().max_length


def test_an_untuned_base_does_not_think_and_is_not_idle_while_a_request_runs(served: Served) -> None:
    """A request that takes longer than the timeout is answered, and the end is still one of idleness."""
    config = ServeConfig(idle_timeout=2.0, model_name="base")
    process = served.home.start(Serve(name="untuned", model=served.home.base, config=config))
    *_, ready = read_until(process, lambda event: isinstance(event, Ready))
    assert isinstance(ready, Ready)
    assert ready.model == "base"
    untuned = attrs.evolve(served, url=ready.url)
    assert untuned.tokens("go files", model="base") == served.tokens("go files")
    url = urlsplit(ready.url)
    assert url.hostname
    assert url.port
    body = json.dumps({"model": "base", "messages": prompt("go files"), "max_tokens": 4})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        time.sleep(3.5)
        client.sendall(body.encode())
        assert client.recv(12) == b"HTTP/1.1 200"
    events, _, code = finish(process)
    assert (events, code) == ([Cancelled("idle for 2 s")], 0)


def test_the_idle_clock_counts_requests_that_overlap() -> None:
    clock = IdleClock(0.05)
    with clock.request():
        with clock.request():
            pass
        time.sleep(0.1)
        assert clock.seconds_left == 0.05
    assert 0 < clock.seconds_left <= 0.05
    time.sleep(0.06)
    assert clock.seconds_left <= 0
    assert IdleClock(0).seconds_left == float("inf")


def test_a_gpu_that_is_demanded_is_not_given_up_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="vLLM is not installed") as caught:
        choose_engine("auto", "cuda")
    assert "engine = 'cpu'" in caught.value.hint
    assert choose_engine("auto", "auto") == choose_engine("cpu", "cuda") == "cpu"


def test_a_port_in_use_is_named(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        task = Serve(name="taken", model=served.model, config=ServeConfig(port=port))
        events, _, code = finish(served.home.start(task))
    assert code == 1
    assert isinstance(events[-1], Failed)
    assert f"Port {port} of 127.0.0.1 cannot be used: Address already in use." == events[-1].message
    assert "--port" in events[-1].hint
