"""What is made to go wrong: rules that name an RPC, and a seeded dice for all others."""

from __future__ import annotations

import random
from typing import Any, Literal

from attrs import define, field

Kind = Literal["unavailable", "drop", "lost", "slow", "torn"]
"""`unavailable`: refused. `drop`: the stream breaks before the work is done; `lost`: after. `slow`: it takes
its time. `torn`: a commit that stores a part and fails."""

_SAFE = frozenset({"ClientHello", "ContainerHello"})


@define
class Rule:
    """The next `times` requests of an RPC go wrong."""

    rpc: str
    kind: Kind
    times: int = 1
    seconds: float = 0.0


@define
class Faults:
    """Rules, and dice: with `rate` any other request goes wrong, by a generator of that seed."""

    rules: list[Rule] = field(factory=list)
    rate: float = 0.0
    dice: random.Random = field(factory=lambda: random.Random(0))
    http_rate: float = 0.0
    struck: dict[str, int] = field(factory=dict)

    def set(self, *, rules: list[dict[str, Any]], rate: float, http_rate: float, seed: int) -> None:
        """Forget what was set before."""
        self.rules = [Rule(**rule) for rule in rules]
        self.rate, self.http_rate, self.dice = rate, http_rate, random.Random(seed)
        self.struck = {}

    def strike(self, rpc: str) -> Rule | None:
        """What goes wrong with this request; None when nothing does."""
        for rule in self.rules:
            if rule.rpc == rpc and rule.times > 0:
                rule.times -= 1
                return self._count(rule)
        if rpc not in _SAFE and self.rate and self.dice.random() < self.rate:
            kinds: tuple[Kind, ...] = ("unavailable", "unavailable", "drop", "slow")
            return self._count(Rule(rpc, self.dice.choice(kinds), seconds=0.2))
        return None

    def strike_http(self) -> bool:
        """Whether a block transfer goes wrong."""
        return bool(self.http_rate) and self.dice.random() < self.http_rate

    def _count(self, rule: Rule) -> Rule:
        self.struck[rule.kind] = self.struck.get(rule.kind, 0) + 1
        return rule
