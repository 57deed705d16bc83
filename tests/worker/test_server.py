from __future__ import annotations

import importlib.util
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("fastapi")

from tiny import make_model  # noqa: E402  # after the check for torch
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402  # after the check for torch

from nls_sdk.worker import decoding, server  # noqa: E402  # after the check for torch

KEY = "a-key"
SERVED_AS = "first.serve@3fa9c1d20b77"
MAX_LEN = 256
GRAMMAR = {"grammar": 'start: "lang:go"'}
SYSTEM = {"role": "system", "content": "Turn the question into a query and say nothing else, please."}
TEMPLATE = """\
{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return make_model(folder, seed=5, length=MAX_LEN, spread=0.1, template=TEMPLATE)


@dataclass
class Running:
    client: httpx.Client
    tokenizer: Any
    model: Any
    seen: list[None]
    generated: list[int]
    delay: list[float]  # seconds to wait at each token

    def uses(self) -> int:
        """Beginnings and ends of requests so far, once none is under way."""
        deadline = time.monotonic() + 20
        while len(self.seen) % 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        return len(self.seen)

    def post(self, question: str = "find acme", **fields: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=body(question, **fields))

    def expected(self, question: str, max_tokens: int) -> tuple[list[int], list[int]]:
        prompt = self.tokenizer.apply_chat_template(
            body(question)["messages"], add_generation_prompt=True, return_dict=False
        )
        ids = torch.tensor([prompt])
        out = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens
        )
        return prompt, out[0, len(prompt) :].tolist()


def body(question: str, **fields: Any) -> dict[str, Any]:
    messages = [SYSTEM, {"role": "user", "content": question}]
    return {"model": "llm", "messages": messages, "max_tokens": 22, **fields}


@pytest.fixture(
    scope="module",
    params=[
        "transformers",
        pytest.param(
            "ctranslate2",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("ctranslate2") is None, reason="ctranslate2 is not installed"
            ),
        ),
    ],
)
def running(request: pytest.FixtureRequest, model_dir: Path) -> Iterator[Running]:
    seen: list[None] = []
    generated: list[int] = []
    delay = [0.0]
    load_engine = decoding.load_engine

    def load(model_dir: Path, eos_ids: list[int], vocabulary: list[str]) -> decoding.Engine:
        if request.param == "transformers":
            engine: decoding.Engine = decoding.TransformersEngine(model_dir, eos_ids)
        else:
            engine = load_engine(model_dir, eos_ids, vocabulary)
        assert engine.name == request.param
        generate = engine.generate

        def counting(prompt: Any, sampling: Any, on_token: Any) -> None:
            def count(token: int) -> bool:
                generated.append(token)
                time.sleep(delay[0])
                return bool(on_token(token))

            generate(prompt, sampling, count)

        engine.generate = counting
        return engine

    @contextmanager
    def in_use() -> Iterator[None]:
        seen.append(None)
        yield
        seen.append(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "load_engine", load)
        app = server.create_app(model_dir, api_key=KEY, served_as=SERVED_AS, in_use=in_use)
    ready = threading.Event()
    told: list[Any] = []

    def on_ready(url: str, stop: Any) -> None:
        told.extend([url, stop])
        ready.set()

    thread = threading.Thread(target=server.serve, args=(app,), kwargs={"on_ready": on_ready})
    thread.start()
    assert ready.wait(20)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=told[0], headers=headers, timeout=60) as client:
        yield Running(
            client,
            AutoTokenizer.from_pretrained(model_dir),
            AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval(),
            seen,
            generated,
            delay,
        )
    told[1]()
    thread.join(20)
    assert not thread.is_alive()


def chunks(answer: httpx.Response) -> list[dict[str, Any]]:
    events = answer.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]


QUESTIONS = [
    f"find {a} in {b}" for a in ("async functions", "python files", "acme") for b in ("go", "a b c", "é")
]


def test_greedy_answers_are_those_of_generate(running: Running) -> None:
    for question in QUESTIONS:
        prompt, tokens = running.expected(question, 22)
        del running.generated[:]
        answer = running.post(question).json()
        assert running.generated == tokens
        choice = answer["choices"][0]
        assert choice["message"] == {
            "role": "assistant",
            "content": running.tokenizer.decode(tokens, skip_special_tokens=True),
        }
        assert choice["finish_reason"] == ("stop" if tokens[-1] == 2 else "length")
        assert answer["usage"] == {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(tokens),
            "total_tokens": len(prompt) + len(tokens),
        }
        assert (answer["object"], answer["model"]) == ("chat.completion", "llm")


def test_an_answer_ends_at_the_end_token(model_dir: Path, running: Running) -> None:
    _, tokens = running.expected("find acme", 22)
    end = tokens[5]
    made: list[int] = []
    engine: decoding.Engine = decoding.TransformersEngine(model_dir, [end])
    prompt, _ = running.expected("find acme", 1)
    result = decoding.Job(engine, running.tokenizer, prompt, decoding.Sampling(22))
    generate = engine.generate
    engine.generate = lambda p, s, f: generate(p, s, lambda t: (made.append(t), f(t))[1])
    completion = result.run()
    assert made == tokens[: tokens.index(end) + 1]
    assert completion.finish_reason == "stop"
    assert completion.completion_tokens == len(made)
    assert completion.text == running.tokenizer.decode(made[:-1], skip_special_tokens=True)


def test_eight_clients_at_once_get_their_own_answers(running: Running) -> None:
    alone = [running.post(q).json()["choices"] for q in QUESTIONS[:8]]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda q: running.post(q).json()["choices"], QUESTIONS[:8]))
    assert together == alone


def test_streamed_pieces_are_the_answer(running: Running) -> None:
    for question in QUESTIONS[:3]:
        whole = running.post(question).json()
        answer = running.post(question, stream=True, stream_options={"include_usage": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        *events, usage = chunks(answer)
        assert events[0]["choices"][0]["delta"]["role"] == "assistant"
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in events)
        assert text == whole["choices"][0]["message"]["content"]
        assert events[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
        assert usage["usage"] == whole["usage"]
        assert usage["choices"] == []


def test_no_usage_chunk_unless_asked(running: Running) -> None:
    assert all("usage" not in event for event in chunks(running.post(stream=True)))


def test_stop_strings_cut_the_answer_and_stop_the_decoding(running: Running) -> None:
    text = running.post("find acme").json()["choices"][0]["message"]["content"]
    at = next(
        i for i in range(4, len(text)) if "\ufffd" not in text[i : i + 3] and text.find(text[i : i + 3]) == i
    )
    stop = text[at : at + 3]
    answer = running.post("find acme", stop=[stop, "never said"]).json()
    choice = answer["choices"][0]
    assert choice["message"]["content"] == text[:at]
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] < 22
    events = chunks(running.post("find acme", stop=stop, stream=True))
    assert "".join(e["choices"][0]["delta"].get("content", "") for e in events) == text[:at]


def test_sampling_follows_its_seed(running: Running) -> None:
    def sample(**fields: Any) -> str:
        return str(running.post(temperature=1.0, **fields).json()["choices"][0]["message"]["content"])

    assert sample(seed=7) == sample(seed=7)
    assert len({sample(seed=s) for s in range(5)}) > 1
    assert sample(seed=7, top_p=1e-6) == running.post().json()["choices"][0]["message"]["content"]


def test_tokenize_gives_the_served_prompt(running: Running) -> None:
    for kwargs in ({}, {"enable_thinking": False}):
        fields = {**body("find acme"), "add_generation_prompt": True, "chat_template_kwargs": kwargs}
        given = running.client.post("/tokenize", json=fields).json()
        expected = running.tokenizer.apply_chat_template(
            fields["messages"], add_generation_prompt=True, return_dict=False, **kwargs
        )
        assert given == {"tokens": expected, "count": len(expected), "max_model_len": MAX_LEN}
        served = running.post("find acme", chat_template_kwargs=kwargs).json()
        assert served["usage"]["prompt_tokens"] == len(expected)


def test_text_parts_and_unknown_fields_are_accepted(running: Running) -> None:
    plain = running.post("find acme").json()["choices"]
    parts = [SYSTEM, {"role": "user", "content": [{"type": "text", "text": "find acme"}]}]
    fields = {"messages": parts, "min_tokens": 0, "guided_regex": ".*", "no_such_field": {"a": 1}}
    answer = running.post(**fields)
    assert answer.json()["choices"] == plain


def test_health_and_models(running: Running) -> None:
    before = running.uses()
    assert httpx.get(running.client.base_url.join("/health")).status_code == 200
    assert running.uses() == before
    answer = running.client.get("/v1/models")
    assert [m["id"] for m in answer.json()["data"]] == ["llm", SERVED_AS]
    assert running.post(model=SERVED_AS).json()["model"] == "llm"
    assert float(answer.headers["x-server-time-ms"]) >= 0
    assert running.uses() == before + 4


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", KEY, f"bearer{KEY}", f"Bearer {KEY}2"])
def test_a_wrong_key_is_refused(running: Running, header: str | None) -> None:
    before = running.uses()
    url = running.client.base_url.join("/v1/chat/completions")
    answer = httpx.post(url, json=body("x"), headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert running.uses() == before


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "gpt-4"}, 404),
        ({"messages": []}, 400),
        ({"messages": "hi"}, 400),
        ({"messages": ["hi"]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400),
        ({"messages": [{"role": "user", "content": "word " * 300}]}, 400),
        ({"max_tokens": MAX_LEN}, 400),
        ({"max_tokens": 0}, 400),
        ({"max_completion_tokens": "5"}, 400),
        ({"temperature": -1}, 400),
        ({"temperature": True}, 400),
        ({"top_p": 0}, 400),
        ({"seed": 1.5}, 400),
        ({"n": 2}, 400),
        ({"stop": [1]}, 400),
        ({"chat_template_kwargs": []}, 200),
        ({"chat_template_kwargs": [1]}, 400),
        ({"chat_template_kwargs": {"chat_template": "x"}}, 400),
        ({"structured_outputs": {"json": {}}}, 400),
        ({"structured_outputs": {"grammar": "start: ["}}, 400),
        ({"structured_outputs": GRAMMAR, "temperature": 1.0}, 400),
    ],
)
def test_bad_requests_get_openai_errors(running: Running, fields: dict[str, Any], status: int) -> None:
    answer = running.post(**fields)
    assert answer.status_code == status
    if status != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_an_answer_is_within_the_grammar(running: Running) -> None:
    pytest.importorskip("llguidance")
    answer = running.post(structured_outputs=GRAMMAR).json()["choices"][0]
    assert (answer["message"]["content"], answer["finish_reason"]) == ("lang:go", "stop")


def test_the_engine_which_may_be_at_work_has_no_part_in_reading_a_request(model_dir: Path) -> None:
    pytest.importorskip("llguidance")
    model = server.ChatModel(model_dir, None, {})
    model.engine.close()
    assert model.job(body("x", structured_outputs=GRAMMAR)) is not None


def test_without_llguidance_grammars_are_refused(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    model = server.ChatModel(model_dir, None, {})
    with pytest.raises(server.ApiError, match="knows no grammars"):
        model.job(body("x", structured_outputs=GRAMMAR))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_a_json_object(running: Running, content: bytes) -> None:
    answer = running.client.post("/v1/chat/completions", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_unknown_paths_and_methods(running: Running) -> None:
    assert running.client.get("/nothing").json()["error"]["type"] == "invalid_request_error"
    assert running.client.get("/nothing").status_code == 404
    assert running.client.get("/v1/chat/completions").status_code == 405


@pytest.mark.parametrize("stream", [False, True])
def test_an_abandoned_request_stops_decoding(running: Running, stream: bool) -> None:
    content = json.dumps(body("find acme", max_tokens=150, stream=stream))
    url = running.client.base_url
    del running.generated[:]
    running.delay[0] = 0.02
    with socket.create_connection((url.host, url.port)) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
        deadline = time.monotonic() + 20
        while not running.generated and time.monotonic() < deadline:
            time.sleep(0.0005)
    running.delay[0] = 0.005
    running.post("find acme", max_tokens=1)  # waits for its turn, behind the abandoned one
    running.delay[0] = 0.0
    assert 0 < len(running.generated) - 1 < 150
