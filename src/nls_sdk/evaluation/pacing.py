"""How fast and for how much a translator may be asked: rates, tokens a minute, money, and `Retry-After`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event, Lock
from time import monotonic
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, gt, optional

_CHARACTERS_A_TOKEN = 2
"""Fewer than any tokenizer's for text, so that a guess is never too small."""

_ANSWER_TOKENS = 128


@frozen
class Price:
    """What tokens cost.

    Attributes:
        input: US dollars for a million tokens of prompt.
        output: US dollars for a million tokens of answer.
    """

    input: float = field(validator=ge(0))
    output: float = field(validator=ge(0))

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """US dollars for so many tokens."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


@frozen(kw_only=True)
class Limits:
    """What an evaluation keeps to.

    Attributes:
        rate: Questions started a second, whether or not the earlier ones are answered (an open loop); each
            is timed from when it was due. None starts the next when one is answered (a closed loop).
        tokens_per_minute: Tokens of prompts and answers together.
        max_cost: US dollars; no question is asked that could go beyond. Needs a `price`.
        price: What tokens cost.
    """

    rate: float | None = field(default=None, validator=optional(gt(0)))
    tokens_per_minute: float | None = field(default=None, validator=optional(gt(0)))
    max_cost: float | None = field(default=None, validator=optional(ge(0)))
    price: Price | None = None

    def __attrs_post_init__(self) -> None:
        if self.max_cost is not None and self.price is None:
            raise ValueError("A spend cap needs the price of a token.")


class CapReached(Exception):
    """The next question could cost more than is left."""


class Pace:
    """Keeps the threads of one evaluation to its limits.

    Attributes:
        limits: The limits.
        spent: US dollars so far.
    """

    def __init__(
        self,
        limits: Limits,
        parameters: Mapping[str, Any],
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin.

        Args:
            limits: The limits.
            parameters: What the translator says of itself; its prompt and longest answer are guessed from it.
            clock: Seconds from anywhere.
        """
        self.limits = limits
        self.spent = 0.0
        self._clock = clock
        self._began = clock()
        self._held_until = self._began
        self._tokens, self._filled = 0.0, self._began
        self._reserved = 0.0
        self._lock = Lock()
        self._prompt = len(str(parameters.get("system", "")))
        self._answer = int(parameters.get("max_tokens", _ANSWER_TOKENS))

    def due(self, number: int) -> float | None:
        """When the question of that number, from 0, is to be asked; None as soon as can be."""
        return None if self.limits.rate is None else self._began + number / self.limits.rate

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long, as a server wishes."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def turn(self, question: str, stopped: Event, due: float | None = None) -> bool:
        """Wait until the question may be asked.

        Returns:
            Whether it may; False when `stopped` was set meanwhile.

        Raises:
            CapReached: It may not be asked at all.
        """
        tokens = self._guess(question)
        while not stopped.is_set():
            with self._lock:
                wait = self._wait(due)
                if wait <= 0:
                    self._take(tokens)
                    return True
            stopped.wait(wait)
        return False

    def settle(self, question: str, tokens_in: int | None, tokens_out: int | None, *, lost: bool) -> None:
        """Say what a question that had its turn has used; a lost one has used nothing.

        What a server does not tell is taken as what was guessed.
        """
        guess = self._guess(question)
        used = (0, 0) if lost else self._used(question, tokens_in, tokens_out)
        with self._lock:
            self._tokens += sum(guess) - sum(used)
            if self.limits.price is not None:
                self._reserved -= self.limits.price.of(*guess)
                self.spent += self.limits.price.of(*used)

    def recall(self, question: str, tokens_in: int | None, tokens_out: int | None) -> None:
        """Count what a question of an earlier part of the same evaluation has cost."""
        if self.limits.price is not None:
            self.spent += self.limits.price.of(*self._used(question, tokens_in, tokens_out))

    def _used(self, question: str, tokens_in: int | None, tokens_out: int | None) -> tuple[int, int]:
        guess_in, guess_out = self._guess(question)
        return guess_in if tokens_in is None else tokens_in, guess_out if tokens_out is None else tokens_out

    def _guess(self, question: str) -> tuple[int, int]:
        return (self._prompt + len(question)) // _CHARACTERS_A_TOKEN + 1, self._answer

    def _wait(self, due: float | None) -> float:
        now = self._clock()
        waits = [self._held_until - now, 0.0 if due is None else due - now]
        if self.limits.tokens_per_minute is not None:
            a_second = self.limits.tokens_per_minute / 60
            # At most a second's worth is saved up, so that no minute has more than its due.
            self._tokens = min(a_second, self._tokens + (now - self._filled) * a_second)
            self._filled = now
            waits.append(0.0 if self._tokens >= 0 else -self._tokens / a_second)
        return max(waits)

    def _take(self, tokens: tuple[int, int]) -> None:
        price, cap = self.limits.price, self.limits.max_cost
        if price is not None:
            cost = price.of(*tokens)
            if cap is not None and self.spent + self._reserved + cost > cap:
                raise CapReached
            self._reserved += cost
        self._tokens -= sum(tokens)
