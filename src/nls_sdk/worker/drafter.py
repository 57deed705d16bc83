"""Tokens guessed ahead for a model that answers many questions of one kind.

A query is made of shapes that earlier answers had (` lang:`, `$ file:`) and of words of the question. So the
drafter remembers which token followed which in the answers it saw, and copies from the prompt where a word of
it has been begun. It learns while it serves and keeps nothing. vLLM checks every guess in the step that it
makes anyway: a wrong one costs time and never changes an answer.

vLLM takes the class by its name, as the `model` of a speculative config whose method is `custom_class`; from
0.26 to 0.33 the interface is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import define, field

_CONTEXT = 3
"""Tokens before a token by which it is remembered, at most."""
_LOOKED_AT = 512
"""Last tokens of a prompt and its answer that are looked at."""
_STEP = 256
"""Tokens of all clients that one step should check: more cost the GPU more than the weights it reads."""
_FEWEST = 2
_MANY = 200_000
"""Contexts to remember; each takes about 300 bytes."""


class Tokens(Protocol):
    """Rows of token ids, as numpy has them."""

    def __getitem__(self, at: tuple[int, slice]) -> Any: ...


@define
class _Followers:
    """What followed a context: the most frequent token, how often it did, and all counts."""

    best: int
    times: int = 0
    total: int = 0
    counts: dict[int, int] = field(factory=dict)

    def add(self, token: int) -> None:
        self.total += 1
        self.counts[token] = count = self.counts.get(token, 0) + 1
        if count > self.times:
            self.best, self.times = token, count


class Continuations:
    """Which token followed up to three others, in the answers seen so far.

    Args:
        most: Contexts to remember; above it the half seen least is forgotten.
    """

    def __init__(self, most: int = _MANY) -> None:
        self._most = most
        self._after: dict[tuple[int, ...], _Followers] = {}

    def learn(self, text: Sequence[int], new: int) -> None:
        """Learn the last `new` tokens of a text."""
        for at in range(max(1, len(text) - new), len(text)):
            for length in range(1, min(_CONTEXT, at) + 1):
                context = tuple(text[at - length : at])
                followers = self._after.get(context)
                if followers is None:
                    followers = self._after[context] = _Followers(text[at])
                followers.add(text[at])
        if len(self._after) > self._most:
            self._forget()

    def _forget(self) -> None:
        """Forget half or more, those seen least, so that it is long until the next time."""
        times = sorted(found.total for found in self._after.values())
        least = times[len(times) // 2]
        self._after = {context: found for context, found in self._after.items() if found.total > least}

    def __len__(self) -> int:
        return len(self._after)

    def likeliest(self, text: Sequence[int]) -> tuple[int | None, int, float]:
        """The token that followed most often, the length of the context it is known by, and its share."""
        for length in range(min(_CONTEXT, len(text)), 0, -1):
            if (found := self._after.get(tuple(text[-length:]))) is not None:
                return found.best, length, found.times / found.total
        return None, 0, 0.0


def guess(text: Sequence[int], known: Continuations, most: int) -> list[int]:
    """Guess how a prompt and what is written of its answer go on.

    Args:
        text: Token ids.
        known: What earlier answers went on with.
        most: Tokens to guess at most.
    """
    places: dict[int, list[int]] = {}
    for place, seen in enumerate(text[:-1]):
        places.setdefault(seen, []).append(place)
    grown = list(text)
    for _ in range(most):
        token, length, share = known.likeliest(grown)
        copied, matched = _copy(text, places, grown)
        if matched > length or (matched and share < 0.5) or (matched > 1 and share < 0.8):
            token = copied
        if token is None:
            break
        grown.append(token)
    return grown[len(text) :]


def _copy(text: Sequence[int], places: dict[int, list[int]], grown: Sequence[int]) -> tuple[int | None, int]:
    """What follows the longest stretch of the text that ends as the grown one does, and its length."""
    best, token = 0, None
    for place in reversed(places.get(grown[-1], ())):
        matched = 1
        while matched <= _CONTEXT and matched <= place and text[place - matched] == grown[-1 - matched]:
            matched += 1
        if matched > best:
            best, token = matched, text[place + 1]
    return token, best


class Drafter:
    """vLLM's interface to it."""

    def __init__(self, vllm_config: Any) -> None:
        self._most = int(vllm_config.speculative_config.num_speculative_tokens)
        self._longest = int(vllm_config.model_config.max_model_len)
        self._known = Continuations()

    def propose(
        self,
        sampled_token_ids: Sequence[Sequence[int]],
        num_tokens_no_spec: Sequence[int],
        token_ids_cpu: Tokens,
        slot_mappings: object = None,
    ) -> list[list[int]]:
        """Guess for each request of a step.

        Args:
            sampled_token_ids: Tokens each request got in this step; none while its prompt is being read.
            num_tokens_no_spec: Tokens of each request, those included.
            token_ids_cpu: Their ids, a row for each request.
            slot_mappings: Not used.
        """
        answering = sum(1 for new in sampled_token_ids if new)
        most = max(_FEWEST, min(self._most, _STEP // max(1, answering) - 1))
        guesses: list[list[int]] = []
        for row, new in enumerate(sampled_token_ids):
            end = int(num_tokens_no_spec[row])
            if not new or end >= self._longest:
                guesses.append([])
                continue
            text: list[int] = token_ids_cpu[row, slice(max(0, end - _LOOKED_AT), end)].tolist()
            self._known.learn(text, len(new))
            guesses.append(guess(text, self._known, min(most, self._longest - end)))
        return guesses
