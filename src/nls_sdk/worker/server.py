"""An OpenAI-compatible server for one small model on a CPU.

The last resort, where vLLM cannot run; docs/decisions/0003-own-cpu-server.md says why.
One thread decodes, requests wait their turn, and a request whose client has gone stops decoding.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from jinja2 import TemplateError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from transformers import AutoTokenizer, GenerationConfig, PretrainedConfig

from . import API_KEY_ENV
from .constrained import GrammarError, Grammars, generate_within
from .decoding import Completion, Generate, Job, Sampling, load_engine
from .server_time import ServerTime

MODEL_ID = "llm"
logger = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer other than 200, in OpenAI's form."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        """Keep what the answer says."""
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        self.response = JSONResponse({"error": error}, status_code=status)


class ChatModel:
    """The model, its tokenizer, and the reading of requests for them."""

    def __init__(self, model_dir: Path, max_model_len: int | None, defaults: Mapping[str, Any]) -> None:
        """Load everything; see `create_app`."""
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model_dir, local_files_only=True)
        limit = PretrainedConfig.get_config_dict(model_dir)[0].get("max_position_embeddings", 2048)
        self.max_model_len: int = min(limit, max_model_len or limit)
        self._template_kwargs = defaults
        eos: set[Any] = {self._tokenizer.eos_token_id}  # and the model's own, as in vLLM
        if (model_dir / "generation_config.json").exists():
            own = GenerationConfig.from_pretrained(model_dir).eos_token_id
            eos |= set(own) if isinstance(own, list) else {own}
        vocabulary = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        self.engine = load_engine(model_dir, sorted(eos - {None}), vocabulary)
        self._grammars = self._read_grammars()

    def _read_grammars(self) -> Grammars | None:
        """What decodes under grammars, made before the engine has other work; None where that cannot be."""
        width = max(len(self.engine.next_logits([0])), len(self._tokenizer))
        try:
            return Grammars(self._tokenizer, self.engine.eos_ids, width)
        except Exception as error:  # whatever llguidance raises, the server is of use without it
            logger.warning("no grammars: %s: %s", type(error).__name__, error)
            return None

    def prompt(self, body: Mapping[str, Any]) -> list[int]:
        """The tokens of the request's messages, as the chat template renders them."""
        messages, kwargs = body.get("messages"), body.get("chat_template_kwargs") or {}
        if not isinstance(messages, list) or not messages:
            raise ApiError(400, "messages must be a list, and not empty.", param="messages")
        if not isinstance(kwargs, dict) or "chat_template" in kwargs:
            raise ApiError(400, "chat_template_kwargs must be an object without chat_template.")
        options = {**self._template_kwargs, **kwargs, "tokenize": True, "return_dict": False}
        options["add_generation_prompt"] = body.get("add_generation_prompt", True)
        try:
            return list(self._tokenizer.apply_chat_template([_message(m) for m in messages], **options))
        except (ValueError, TypeError, TemplateError) as error:
            raise ApiError(400, f"The chat template refused the messages: {error}.") from error

    def job(self, body: Mapping[str, Any]) -> Job:
        """The answer that a chat completion request asks for, not yet begun."""
        prompt = self.prompt(body)
        room = self.max_model_len - len(prompt)
        name = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
        max_tokens = _number(body, name, max(room, 1), 1, 2**31)
        if max_tokens > room:
            message = f"{len(prompt)} + {max_tokens} tokens exceed the limit of {self.max_model_len}."
            raise ApiError(400, message, "context_length_exceeded", "messages")
        if body.get("n") not in (None, 1):
            raise ApiError(400, "n must be 1.", param="n")
        stop = body.get("stop") or []
        stop = [stop] if isinstance(stop, str) else stop
        if not isinstance(stop, list) or not all(isinstance(s, str) and s for s in stop):
            raise ApiError(400, "stop must be a string or a list of strings.", param="stop")
        temperature = _number(body, "temperature", 0.0, 0.0, 2.0)
        top_p = _number(body, "top_p", 1.0, 1e-6, 1.0)
        seed = _number(body, "seed", 0, -(2**63), 2**63 - 1) if body.get("seed") is not None else None
        sampling = Sampling(max_tokens, temperature, top_p, seed)
        generate = (
            self._within(body["structured_outputs"], sampling) if body.get("structured_outputs") else None
        )
        return Job(self.engine, self._tokenizer, prompt, sampling, stop, generate)

    def _within(self, asked: Any, sampling: Sampling) -> Generate:
        """What decodes under the grammar that a request asks for."""
        grammar = asked.get("grammar") if isinstance(asked, dict) and len(asked) == 1 else None
        if not isinstance(grammar, str):
            raise ApiError(400, "structured_outputs must hold a grammar alone.", param="structured_outputs")
        if sampling.temperature > 0:
            raise ApiError(400, "Under a grammar, temperature must be 0.", param="temperature")
        if self._grammars is None:
            raise ApiError(400, "This server knows no grammars.", param="structured_outputs")
        try:
            matcher = self._grammars.matcher(grammar)
        except GrammarError as error:
            raise ApiError(400, f"Not a grammar: {error}", param="structured_outputs") from None
        return lambda *call: generate_within(self.engine, matcher, *call)


def _message(message: Any) -> dict[str, Any]:
    """A message with its text parts joined, as vLLM joins them."""
    try:
        content = message.get("content") or ""
        text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
        return {**message, "role": str(message["role"]), "content": text}
    except (AttributeError, TypeError, KeyError) as error:
        raise ApiError(400, "A message must have a role and text as content.", param="messages") from error


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> Any:
    """A number in the request; a whole one if the default is."""
    value = default if body.get(name) is None else body[name]
    kinds = (int,) if isinstance(default, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise ApiError(400, f"{name} must be {kinds[-1].__name__} from {low} to {high}.", param=name)
    return value


class _Gate:
    """Checks the key and reports use, for every path but `/health`."""

    def __init__(
        self, app: ASGIApp, api_key: str | None, in_use: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode() if api_key else None
        self._in_use = in_use

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            return await self._app(scope, receive, send)
        given = dict(scope["headers"]).get(b"authorization", b"")
        if self._expected is not None and not hmac.compare_digest(given, self._expected):
            error = ApiError(401, "Wrong or missing API key.", "invalid_api_key")
            return await error.response(scope, receive, send)
        with self._in_use():
            await self._app(scope, receive, send)


def create_app(
    model_dir: Path,
    *,
    api_key: str | None,
    model_name: str = MODEL_ID,
    served_as: str = "",
    max_model_len: int | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    in_use: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> FastAPI:
    """Load the model and build the application around it.

    Args:
        model_dir: A saved model with its tokenizer and chat template.
        api_key: The bearer key that clients must send; None asks for none.
        model_name: The model's name in the API.
        served_as: A second name of it; the first stands in its answers.
        max_model_len: The most tokens of prompt and answer together, if less than the model's own.
        chat_template_kwargs: Given to the chat template unless a request says otherwise.
        in_use: Called for each authorised request; what it returns is entered for as long as that runs.
    """
    model = ChatModel(model_dir, max_model_len, chat_template_kwargs or {})
    decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        decoder.shutdown(cancel_futures=True)
        model.engine.close()

    handlers: dict[Any, Any] = dict.fromkeys([ApiError, HTTPException, Exception], _on_error)
    app = FastAPI(lifespan=lifespan, openapi_url=None, exception_handlers=handlers)
    app.add_middleware(_Gate, api_key=api_key, in_use=in_use)
    app.add_middleware(ServerTime)
    names = (model_name, served_as) if served_as else (model_name,)
    card: dict[str, Any] = {"object": "model", "created": int(time.time())}
    card |= {"owned_by": "nls-sdk", "max_model_len": model.max_model_len}

    @app.get("/health")
    async def health() -> Response:
        return Response()

    @app.get("/v1/models")
    async def models() -> Response:
        return JSONResponse({"object": "list", "data": [{"id": name, **card} for name in names]})

    @app.post("/tokenize")
    async def tokenize(request: Request) -> Response:
        tokens = model.prompt(await _body(request, names))
        return JSONResponse({"tokens": tokens, "count": len(tokens), "max_model_len": model.max_model_len})

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await _body(request, names)
        job = model.job(body)
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model_name}
        if body.get("stream"):
            with_usage = isinstance(o := body.get("stream_options"), dict) and bool(o.get("include_usage"))
            return StreamingResponse(_stream(job, decoder, head, with_usage), media_type="text/event-stream")
        if (completion := await _complete(job, decoder, request)) is None:
            return Response(status_code=499)
        message = {"role": "assistant", "content": completion.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish_reason}
        head |= {"object": "chat.completion", "choices": [choice], "usage": completion.usage()}
        return JSONResponse(head)

    return app


def serve(
    app: FastAPI,
    *,
    sock: socket.socket | None = None,
    on_ready: Callable[[str, Callable[[], None]], None] = lambda url, stop: None,
) -> None:
    """Serve until told to stop, by SIGINT, SIGTERM or the function that `on_ready` was given.

    Args:
        app: What `create_app` built.
        sock: A bound socket; a free port of 127.0.0.1 if None.
        on_ready: Given the URL (without `/v1`) and a function that stops the server, once one can connect.
    """
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    with sock or socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        # asyncio sets it only on sockets made with proto=IPPROTO_TCP; without it an answer waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = listener.getsockname()[:2]
        host = "127.0.0.1" if ip_address(host).is_unspecified else host
        on_ready(f"http://{host}:{port}", lambda: setattr(server, "should_exit", True))
        server.run(sockets=[listener])


async def _complete(job: Job, decoder: Executor, request: Request) -> Completion | None:
    """Run the job; None if the client goes away first."""
    work = asyncio.get_running_loop().run_in_executor(decoder, job.run)
    gone = asyncio.ensure_future(request.receive())  # the body has been read: only a disconnect is left
    either: set[asyncio.Future[Any]] = {work, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        job.cancel()
        gone.cancel()
        work.cancel()


async def _stream(job: Job, decoder: Executor, head: dict[str, Any], with_usage: bool) -> AsyncIterator[str]:
    """The job's answer as server-sent events."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    job.emit = lambda text: loop.call_soon_threadsafe(pieces.put_nowait, text)

    def event(choices: list[dict[str, Any]], **more: object) -> str:
        data = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

    def choice(delta: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    work = loop.run_in_executor(decoder, job.run)
    work.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        yield event(choice({"role": "assistant", "content": ""}))
        while (piece := await pieces.get()) is not None:
            yield event(choice({"content": piece}))
        completion = work.result()
        yield event(choice({}, completion.finish_reason))
        if with_usage:
            yield event([], usage=completion.usage())
        yield "data: [DONE]\n\n"
    finally:
        job.cancel()
        work.cancel()


async def _body(request: Request, names: Sequence[str]) -> dict[str, Any]:
    """The request's JSON object, for our model."""
    try:
        body = dict(json.loads(await request.body()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ApiError(400, f"The body is not a JSON object: {error}.") from error
    if body.get("model") not in (None, *names):
        raise ApiError(404, f"There is no model {body['model']!r}.", "model_not_found", "model")
    return body


async def _on_error(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = ApiError(error.status_code, str(error.detail))
    elif not isinstance(error, ApiError):
        error = ApiError(500, f"The server failed: {type(error).__name__}.")
    return error.response


if __name__ == "__main__":
    _app = create_app(Path(sys.argv[1]), api_key=os.environ.get(API_KEY_ENV))
    serve(_app, on_ready=lambda url, _: print(url, flush=True))
