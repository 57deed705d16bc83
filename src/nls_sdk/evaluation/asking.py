"""Asking questions from several threads: what each becomes, and how all of them end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic, perf_counter
from typing import Generic, TypeAlias, TypeVar

from attrs import define, evolve, field

from ..dataset import Example
from ..errors import EndpointError, NlsError
from ..retry import asked_wait, can_retry, retry
from ..translator import Translator
from .pacing import CapReached, Pace
from .rows import Row

PATIENCE = 3
"""Questions in succession that may fail for want of a server before retries are given up."""

T = TypeVar("T")
R = TypeVar("R")

Question: TypeAlias = tuple[int, int, int, Example]
"""Its turn, its place and which asking of the example it is, all from 0; and the example."""

Keep: TypeAlias = Callable[[int, Row], object]


class _Unasked(Exception):
    """The question is not to be asked any more."""


@define
class Asker:
    """Asks questions one by one, from several threads.

    Attributes:
        translator: Who is asked.
        pace: What it keeps to.
        keep: Called with each row, and its place, before anybody else sees it; from several threads.
        stopped: Set when no more requests are to be made.
        capped: Whether that is for money.
        lost: Questions in succession that retries did not help. From `PATIENCE` on each gets one attempt,
            until one is answered: a server that is gone must not cost minutes a question.
    """

    translator: Translator
    pace: Pace
    keep: Keep | None = None
    stopped: Event = field(factory=Event)
    capped: bool = False
    lost: int = 0

    def answer(self, question: Question) -> Row | None:
        """Ask one question; None when it was not asked, or an attempt is cut short by the end."""
        turn, place, repeat, example = question
        try:
            row = self.row(unanswered(example, repeat), self.pace.due(turn))
        except _Unasked:
            return None
        except CapReached:
            self.capped = True
            self.stopped.set()
            return None
        if self.keep is not None:
            self.keep(place, row)
        return row

    def row(self, row: Row, due: float | None = None) -> Row:
        """Ask one question; whatever goes wrong with it is data, not an exception."""
        attempts, seconds = 0, 0.0

        def attempt() -> str:
            nonlocal attempts, seconds
            if not self.pace.turn(row.question, self.stopped, due):
                raise _Unasked
            # In an open loop the wait for a free thread is the server's doing, and counts.
            late = max(0.0, monotonic() - due) if due is not None and not attempts else 0.0
            attempts += 1
            answer = None
            start = perf_counter()
            try:
                answer = self.translator.translate(row.question)
            except Exception as error:
                if can_retry(error):
                    self.pace.hold(asked_wait(error))
                raise
            finally:
                told = (getattr(answer, "tokens_in", None), getattr(answer, "tokens_out", None))
                self.pace.settle(row.question, *told, lost=answer is None)
            seconds = late + perf_counter() - start
            if not isinstance(answer, str):
                raise EndpointError(f"{self.translator.name} answered {type(answer).__name__}, not text.")
            return answer

        try:
            answer = retry(attempt) if self.lost < PATIENCE else attempt()
        except (_Unasked, CapReached):
            raise
        except Exception as error:
            self.lost = self.lost + 1 if can_retry(error) else 0
            reason = error.message if isinstance(error, NlsError) else f"{type(error).__name__}: {error}"
            return evolve(row, attempts=attempts, error=_whole(reason))
        self.lost = 0
        return evolve(
            row,
            actual=_whole(str(answer)),
            seconds=seconds,
            attempts=attempts,
            server_seconds=getattr(answer, "server_seconds", None),
            finish_reason=getattr(answer, "finish_reason", None),
            model=getattr(answer, "model", None),
            tokens_in=getattr(answer, "tokens_in", None),
            tokens_out=getattr(answer, "tokens_out", None),
        )


class Workers(Generic[T, R]):
    """Threads that do one thing to many items. They hold no process back from its end.

    Attributes:
        stopped: Set when no more items are to be taken on.
    """

    def __init__(self, work: Callable[[T], R | None], count: int, stopped: Event) -> None:
        """Start the threads.

        Args:
            work: What is done; None when it was not.
            count: Threads.
            stopped: Set when no more items are to be taken on.
        """
        self.stopped = stopped
        self._work, self._count = work, count
        self._todo: SimpleQueue[T | None] = SimpleQueue()
        self._done: SimpleQueue[R | BaseException | None] = SimpleQueue()
        self._under_way = 0
        for number in range(count):
            Thread(target=self._run, name=f"nls-evaluator-{number}", daemon=True).start()

    def each(self, items: Iterable[T]) -> Iterator[R]:
        """What came of the items, as it comes. A few items are taken ahead, never all of them."""
        for item in items:
            if self.stopped.is_set():
                break
            self._under_way += 1
            self._todo.put(item)
            while self._under_way >= 2 * self._count:
                yield from self._next()
        while self._under_way:
            yield from self._next()

    def drain(self, seconds: float) -> Iterator[R]:
        """Take on nothing more, and give what is under way so long to end."""
        self.stopped.set()
        deadline = monotonic() + seconds
        while self._under_way and (left := deadline - monotonic()) > 0:
            try:
                yield from self._next(left)
            except Empty:
                return

    def close(self) -> None:
        """Let the threads go, once they have done what they are at. Idempotent."""
        self.stopped.set()
        for _ in range(self._count):
            self._todo.put(None)

    def _next(self, timeout: float | None = None) -> Iterator[R]:
        found = self._done.get(timeout=timeout)
        self._under_way -= 1
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            yield found

    def _run(self) -> None:
        while (item := self._todo.get()) is not None:
            try:
                self._done.put(None if self.stopped.is_set() else self._work(item))
            except BaseException as error:  # whatever it is, somebody is waiting for an answer
                self._done.put(error)


def asked(
    asker: Asker, turns: Iterable[Question], concurrency: int, grace: float
) -> Generator[Row, None, None]:
    """The rows of the questions as they come.

    However it ends, it asks no more and waits `grace` seconds for what is under way, so that no answer is
    lost; at a second Ctrl-C it waits no longer.
    """
    workers: Workers[Question, Row] = Workers(asker.answer, concurrency, asker.stopped)
    try:
        yield from workers.each(turns)
    finally:
        with suppress(KeyboardInterrupt):
            deque(workers.drain(grace), maxlen=0)
        workers.close()


def unanswered(example: Example, repeat: int = 0) -> Row:
    """A question as a row, before it is asked."""
    return Row(
        question=example.question,
        expected=example.query,
        metadata=example.metadata,
        line=example.line,
        repeat=repeat,
    )


def _whole(text: str) -> str:
    """Text that can be written: half a character (a lone surrogate) becomes the escape that it came as."""
    return text.encode("utf-8", "backslashreplace").decode()
