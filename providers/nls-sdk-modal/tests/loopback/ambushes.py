"""Ambushes: containers that are taken away at a moment of their work, as `faults.py` says."""

from __future__ import annotations

import asyncio

from .endpoints import Endpoints
from .world import Container

_LOOK_EVERY = 0.02


class Ambushes(Endpoints):
    """Watches how far containers have come."""

    async def lie_in_wait(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if not self.faults.ambushes:
                continue
            for container in [c for c in self.containers.values() if c.is_alive and c.process]:
                fn = self.functions[container.fn_id]
                name = fn.definition.function_name
                match self.faults.ambush(name, events=_events(container), requests=fn.questions):
                    case "kill":
                        self.kill(container)
                    case "preempt":
                        self.keep(self.preempt(container))


def _events(container: Container) -> int:
    """How many events it knows of: those of the volume's attempt that was written of last."""
    logs = [
        path
        for view in container.views.values()
        for path in view.here.glob("runs/*/attempts/*/events/*.jsonl")
    ]
    try:
        last = max(logs, key=lambda path: path.stat().st_mtime_ns, default=None)
        same = [path for path in logs if last and path.parent == last.parent]
        return sum(path.read_bytes().count(b"\n") for path in same)
    except FileNotFoundError:
        return 0
