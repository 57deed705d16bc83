"""What is made to go wrong: rules that name an RPC, a seed for all others, and ambushes on containers.

What strikes a request follows from the seed, who sends it, its RPC and how many of those came before: not
from the time, nor from what other requests come between.
"""

from __future__ import annotations

import random
from typing import Any, Literal

from attrs import define, field

Kind = Literal["unavailable", "gone", "drop", "lost", "slow", "torn", "broken"]
"""`unavailable`: refused. `gone`: what it is about is not known any more. `drop`: the stream breaks before
the work is done; `lost`: after. `slow`: it takes its time. `torn`: a commit that stores a part and fails.
`broken`: a snapshot that comes back without what it had started."""

_RANDOM: tuple[Kind, ...] = ("unavailable", "unavailable", "drop", "lost", "slow")
_SAFE = frozenset({"ClientHello", "ContainerHello"})


@define
class Rule:
    """The next `times` requests of an RPC go wrong, after `skip` that do not."""

    rpc: str
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    skip: int = 0


@define
class Ambush:
    """A container of a function is taken away once, at a moment of its work.

    Attributes:
        function: Its name.
        how: `preempt` or `kill`.
        events: When a run's log has that many events, as the container sees it; or
        requests: when that many requests have come to its endpoint.
    """

    function: str
    how: Literal["preempt", "kill"]
    events: int = 0
    requests: int = 0


@define
class Faults:
    """Rules and ambushes; and with `rate` any other request goes wrong, as the seed has it."""

    rules: list[Rule] = field(factory=list)
    ambushes: list[Ambush] = field(factory=list)
    rate: float = 0.0
    http_rate: float = 0.0
    seed: int = 0
    struck: dict[str, int] = field(factory=dict)
    _seen: dict[str, int] = field(factory=dict)

    def set(
        self,
        *,
        rules: list[dict[str, Any]],
        ambushes: list[dict[str, Any]],
        rate: float,
        http_rate: float,
        seed: int,
    ) -> None:
        """Forget what was set before."""
        self.rules = [Rule(**rule) for rule in rules]
        self.ambushes = [Ambush(**ambush) for ambush in ambushes]
        self.rate, self.http_rate, self.seed = rate, http_rate, seed
        self.struck, self._seen = {}, {}

    def strike(self, rpc: str, who: str = "") -> Rule | None:
        """What goes wrong with this request; None when nothing does."""
        for rule in self.rules:
            if rule.rpc == rpc and rule.skip > 0:
                rule.skip -= 1
            elif rule.rpc == rpc and rule.times > 0:
                rule.times -= 1
                return self._count(rule)
        if rpc in _SAFE or not self.rate:
            return None
        dice = self._dice(f"{who}/{rpc}")
        if dice.random() < self.rate:
            return self._count(Rule(rpc, dice.choice(_RANDOM), seconds=0.2))
        return None

    def strike_http(self, what: str) -> bool:
        """Whether a block transfer goes wrong."""
        return bool(self.http_rate) and self._dice(what).random() < self.http_rate

    def ambush(self, function: str, *, events: int = 0, requests: int = 0) -> str | None:
        """How a container is to be taken away, now that it has come so far; None where it is not."""
        for ambush in self.ambushes:
            reached = 0 < ambush.events <= events or 0 < ambush.requests <= requests
            if ambush.function == function and reached:
                self.ambushes.remove(ambush)
                self.struck[ambush.how] = self.struck.get(ambush.how, 0) + 1
                return ambush.how
        return None

    def _dice(self, what: str) -> random.Random:
        number = self._seen[what] = self._seen.get(what, 0) + 1
        return random.Random(f"{self.seed}/{what}/{number}")

    def _count(self, rule: Rule) -> Rule:
        self.struck[rule.kind] = self.struck.get(rule.kind, 0) + 1
        return rule
