"""Endpoint: a context-managed client of a live OpenAI-compatible server."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .chat import ask, ask_in_pieces, connect, list_models
from .errors import ConfigError, EndpointError, EndpointUnavailable, NlsError, require
from .prompt import CHAT_TEMPLATE_KWARGS, SYSTEM_PROMPT, Message, prompt
from .retry import retry
from .safe_decoding import LEVELS, Decoding, fault_of, under_grammar, whole
from .translator import Translation

if TYPE_CHECKING:
    from .runs import Run

_STARTING = 503
_COLD_PAUSE = 0.5
_SPENT = ("seconds", "server_seconds", "tokens_in", "tokens_out")

T = TypeVar("T")


class Endpoint:
    """A live model server. A `Translator`, and a context manager that stops what it was deployed as.

    Attributes:
        url: Base URL of its OpenAI-compatible API, ending in `/v1`.
        model: The model's name in that API.
        name: What reports call it.
        decoding: How safely it is asked; see `nls_sdk.safe_decoding.Decoding`.
        run: The run that serves it; None for a server that is not ours, which is never stopped.
        keep: Whether leaving the `with` block leaves the server up, as somebody else started it.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model: str = "llm",
        name: str = "Fine-tuned",
        system: str = SYSTEM_PROMPT,
        systems: Mapping[str, str] | None = None,
        max_tokens: int = 128,
        decoding: Decoding = "checked",
        timeout: float = 60.0,
        cold_timeout: float = 0.0,
        run: Run[Endpoint] | None = None,
    ) -> None:
        """Make a client of a server; nothing is sent yet.

        Args:
            url: Base URL of an OpenAI-compatible API, ending in `/v1`.
            api_key: What the server asks for.
            model: The model's name in that API.
            name: What reports call it.
            system: The system message of every request; it must be the one of the training data.
            systems: Those of other models of the same server, by name; see `of_model`.
            max_tokens: Tokens of the longest answer.
            decoding: How safely it is asked; each of its calls may say otherwise.
            timeout: Seconds of silence after which a request is given up.
            cold_timeout: Seconds to wait for a server that answers 503 because it is scaled to zero.
            run: The run that serves it.

        Raises:
            ConfigError: The URL is not one, the key cannot be sent, or there is no such level of decoding.
        """
        self.url = url
        self.model = model
        self.name = name
        self.decoding: Decoding = _level(decoding)
        self.run = run
        self.keep = False
        self._key = api_key
        self._system = system
        self._systems = dict(systems or {})
        self._max_tokens = max_tokens
        self._cold_timeout = cold_timeout
        self._client = connect(url, api_key=api_key, timeout=timeout)

    @property
    def api_key(self) -> str | None:
        """What the server asks for; never shown by `repr`."""
        return self._key

    def translate(self, question: str, *, decoding: Decoding | None = None) -> Translation:
        """The model's query for a question: greedy decoding, no retry.

        Where the server is starting, its start is waited for first.

        Args:
            question: What is asked, in plain English.
            decoding: How safely, in place of the endpoint's own level.

        Returns:
            The query, with the time it took. Of a `checked` one whose first answer Sourcegraph would refuse,
            `fault` says why and `refused` is that answer; a server that knows no grammar leaves it standing,
            with its `fault`, and has one told under `grammar` too.

        Raises:
            EndpointUnavailable: The server did not answer; asking again may help.
            EndpointError: It refused the request, or its answer is not one.
            ConfigError: There is no such level of decoding, or the question is no text.
        """
        match _level(decoding or self.decoding):
            case "free":
                return self._ask(question)
            case "grammar":
                return self._under_grammar(question)
            case "checked":
                return self._checked(question)

    def translate_many(
        self, questions: Iterable[str], *, concurrency: int = 16, decoding: Decoding | None = None
    ) -> Iterator[Translation | NlsError]:
        """The queries for many questions, in their order, as they come.

        A question without an answer becomes its error, and stops none of the others. Asking changes nothing
        at the server, so what a retry can help is retried. Questions are taken as answers are, never all at
        once.

        Args:
            questions: What is asked.
            concurrency: Requests under way at once.
            decoding: How safely, in place of the endpoint's own level.

        Raises:
            ConfigError: `concurrency` is below 1, there is no such level of decoding, or the questions are
                one text.
        """
        if type(concurrency) is not int or concurrency < 1:
            raise ConfigError(f"concurrency = {concurrency!r}, but it must be a whole number, at least 1.")
        if isinstance(questions, str):
            raise ConfigError(
                "questions is one text, each letter of which would be asked.",
                hint="Give a list of questions, or ask one with translate.",
            )
        level = _level(decoding or self.decoding)
        stopped = Event()

        def attempt(question: str) -> Translation:
            if stopped.is_set():
                raise EndpointError("Nobody waits for the answer any more.")
            return self.translate(question, decoding=level)

        def one(question: str) -> Translation | NlsError:
            try:
                return retry(lambda: attempt(question))
            except NlsError as error:
                return error

        return _in_order(one, questions, concurrency, stopped)

    def stream(self, question: str, *, decoding: Decoding | None = None) -> Generator[str, None, Translation]:
        """The model's query in pieces, as they are written; the generator's value is the whole `Translation`.

        What was shown cannot be taken back, so that `checked` only says in `fault` what is wrong, and so does
        `grammar` of an answer that the limit of tokens cut. Where the server is starting, its start is waited
        for first.

        Raises:
            EndpointUnavailable: The server did not answer, or broke off; asking again may help.
            EndpointError: It refused the request, or its answer is not one.
            ConfigError: There is no such level of decoding, or the question is no text.
        """
        level = _level(decoding or self.decoding)
        options = self._options | (under_grammar() if level == "grammar" else {})
        messages = self._messages(question)
        deadline = self._deadline
        while True:
            try:
                answer = yield from ask_in_pieces(self._client, self.model, messages, **options)
            except EndpointUnavailable as error:
                _await_start(error, deadline)  # It has a status only where nothing was shown yet.
            else:
                return answer if level == "free" else answer.but(fault=fault_of(answer))

    def of_model(self, model: str, *, system: str | None = None) -> Endpoint:
        """Another model of the same server, such as an adapter that was deployed beside its base.

        It shares the connections, and does not stop the server when its `with` block is left.

        Args:
            model: The model's name in the API.
            system: The system message that it was trained with. An adapter's own is known where it was
                deployed by us; of any other model it is taken to be this one's.
        """
        other = copy.copy(self)
        other.model, other.name, other.keep = model, model, True
        other._system = self._systems.get(model, self._system) if system is None else system
        return other

    def models(self) -> list[str]:
        """The names that the server itself gives what it serves.

        One of ours says besides `model` which run serves what, such as `first.serve@3fa9c1d20b77`, the
        start of the model's SHA-256. Where the server is starting, its start is waited for first.

        Raises:
            EndpointUnavailable: The server did not answer; asking again may help.
            EndpointError: It refused the request, or its answer is not one.
        """
        return self._awaited(lambda: list_models(self._client))

    def _checked(self, question: str) -> Translation:
        first = self._ask(question)
        fault = fault_of(first)
        if fault is None:
            return first
        try:
            second = self._under_grammar(question)
        except EndpointUnavailable:
            raise
        except EndpointError:
            return first.but(fault=fault)
        spent = {name: _sum(getattr(first, name), getattr(second, name)) for name in _SPENT}
        if second.fault is not None:
            return first.but(fault=fault, **spent)
        return second.but(fault=fault, refused=str(first), **spent)

    def _under_grammar(self, question: str) -> Translation:
        answer = whole(self._ask(question, **under_grammar()))
        # Many servers pass over a field that they do not know.
        return answer.but(fault=fault_of(answer))

    def _ask(self, question: str, **fields: Any) -> Translation:
        messages = self._messages(question)
        return self._awaited(lambda: ask(self._client, self.model, messages, **self._options, **fields))

    def _messages(self, question: str) -> list[Message]:
        require(question, str, "The question", "Ask in plain English.")
        return prompt(question, system=self._system)

    def _awaited(self, request: Callable[[], T]) -> T:
        """What a request brings, and before it the wait for a server that is starting."""
        deadline = self._deadline
        while True:
            try:
                return request()
            except EndpointUnavailable as error:
                _await_start(error, deadline)

    @property
    def _deadline(self) -> float:
        """Until when the start of a server is waited for."""
        return time.monotonic() + self._cold_timeout

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "max_tokens": self._max_tokens,
            "temperature": 0.0,
            "chat_template_kwargs": CHAT_TEMPLATE_KWARGS,
        }

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides its answers, as plain values."""
        # A run may be served at another address the next time; it is the same model.
        place = {"url": self._client.place} if self.run is None else {"run": self.run.run_id}
        return {
            **place,
            "model": self.model,
            "system": self._system,
            "max_tokens": self._max_tokens,
            "temperature": 0.0,
            "decoding": self.decoding,
        }

    def stop(self) -> None:
        """Stop the server, if it is ours. Idempotent."""
        if self.run is not None:
            self.run.cancel()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.keep:
            self.stop()

    def __repr__(self) -> str:
        return f"<Endpoint {self._client.place} model={self.model!r}>"


def _await_start(error: EndpointUnavailable, deadline: float) -> None:
    """Wait a little for a server that is starting, until the deadline; raise any other error."""
    if error.status != _STARTING or time.monotonic() > deadline:
        raise error
    time.sleep(_COLD_PAUSE)


def _level(decoding: Decoding) -> Decoding:
    if decoding not in LEVELS:
        raise ConfigError(
            f"decoding = {decoding!r}, but it must be {', '.join(LEVELS[:-1])} or {LEVELS[-1]}."
        )
    return decoding


def _sum(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other


def _in_order(
    work: Callable[[str], T], items: Iterable[str], concurrency: int, stopped: Event
) -> Iterator[T]:
    """What comes of the items, in their order; `stopped` is set when nobody wants any more.

    An executor's threads would hold the process back until the last retry; these do not.
    """
    todo: SimpleQueue[tuple[str, Future[T]] | None] = SimpleQueue()
    under_way: deque[Future[T]] = deque()
    threads = 0

    def run() -> None:
        while (given := todo.get()) is not None:
            item, future = given
            try:
                future.set_result(work(item))
            except BaseException as error:  # whatever it is, somebody is waiting for an answer
                future.set_exception(error)

    try:
        for item in items:
            if threads < concurrency:
                Thread(target=run, name=f"nls-endpoint-{threads}", daemon=True).start()
                threads += 1
            under_way.append(Future())
            todo.put((item, under_way[-1]))
            # Twice as many, or a slow answer at the head would leave threads idle.
            if len(under_way) >= 2 * concurrency:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        stopped.set()
        for _ in range(threads):
            todo.put(None)
