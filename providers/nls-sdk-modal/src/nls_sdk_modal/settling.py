"""Settling: what no container could tell any more, a reader finds out and writes down for all readers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from attrs import evolve

from nls_sdk.errors import NlsError
from nls_sdk.events import Cancelled, Failed, Succeeded, Terminal, dump_event, load_event
from nls_sdk.tasks import Serve

from . import calls, locks
from .layout import Asked, Attempt
from .records import Seen, see_all
from .together import together
from .volume import RunsVolume

_UNCALLED, _SILENT, _UNDEPLOYED = 30.0, 30.0, 1800.0
"""Seconds after which a claim is given up as its client died: a job that has no call; a server that has no
app, as its image may be built meanwhile, after as long without a sign of life, or in any case at last."""

_FRUITLESS_STARTS = 3
_RESUMES = "Start it again under the same name: a training resumes from its last checkpoint."


class Settler:
    """Finds out how runs ended that did not say so."""

    def __init__(self, volume: RunsVolume, environment: str, *, ready_within: float) -> None:
        """Settle the runs of a Volume.

        Args:
            volume: Where they are told of.
            environment: Where their apps are.
            ready_within: Seconds within which an endpoint must answer.
        """
        self._volume, self._environment, self._ready_within = volume, environment, ready_within
        self._stopped: set[str] = set()
        self._heard: dict[str, tuple[int | None, float]] = {}

    def settle(self, found: Sequence[Seen]) -> list[Seen]:
        """The same attempts, those with their end that have come to one."""
        living = {seen.run_id for seen in found if not seen.end}
        apps = calls.live_apps(self._environment) if any(map(self._may_have_app, found)) else {}
        return together(
            lambda seen: self._settle(seen, apps) if seen.run_id in living else self._tidy(seen, apps),
            found,
        )

    def cancel(self, seen: Seen, reason: str = "cancelled") -> None:
        """End a run, and see that no machine of it is left."""
        if seen.end is None:
            if seen.call_id:
                calls.cancel_call(seen.call_id)
            # What it told until now counts; what a dying container tells later does not.
            seen = next(iter(see_all(self._volume, seen.run_id)), seen)
            seen = self._declare(seen, Cancelled(reason))
        self._stop(seen)

    def leave(self, seen: Seen) -> None:
        """Stop a server as its last client ends, which can no longer write to the Volume: a reader will."""
        self._stop(seen)

    def is_owned(self, seen: Seen, *, but: str = "") -> bool:
        """Whether a client gave a sign of life of late, or one besides that named."""
        fresh = time.time() - seen.asked.lease
        return any(when >= fresh for client, when in seen.leases.items() if client != but)

    def give_up(self, attempt: Attempt, asked: Asked, error: BaseException) -> None:
        """End an attempt that could not be started."""
        said = error.message if isinstance(error, NlsError) else f"{type(error).__name__}"
        end = Failed(f"It could not be started: {said}", seq=asked.after + 1, time=time.time())
        self._volume.write_new(attempt.end, dump_event(end).encode())
        if asked.proxy_auth and (key := self._volume.read(attempt.key)):
            locks.forget_key(key.decode())

    def _settle(self, seen: Seen, apps: dict[str, str]) -> Seen:
        end = self._find_end(seen, apps)
        if end is None:
            return seen
        # A container commits its last word before its call ends: what was read before that may lack it.
        seen = next(iter(see_all(self._volume, seen.run_id)), seen)
        if seen.end is None:
            seen = self._declare(seen, self._done(seen) or end)
        self._forget_key(seen)
        return self._tidy(seen, apps)

    def _find_end(self, seen: Seen, apps: dict[str, str]) -> Terminal | None:
        age = time.time() - seen.asked.created
        if isinstance(seen.task, Serve):
            return self._server_end(seen, apps, age)
        if not seen.call_id:
            return _uncalled() if age > _UNCALLED else None
        outcome = calls.outcome(seen.call_id)
        if not outcome.is_over:
            return None
        if outcome.was_cancelled:
            return Cancelled("cancelled at Modal")
        why = outcome.error or "its machine ended without a word"
        return Failed(f"Modal gave it up: {why}", hint=_RESUMES)

    def _server_end(self, seen: Seen, apps: dict[str, str], age: float) -> Terminal | None:
        if seen.call is None:
            return _uncalled() if age > _UNDEPLOYED or self._is_silent(seen) else None
        was_left = seen.asked.lease and not seen.detached and not self.is_owned(seen)
        if seen.call.app_id not in apps:
            return Cancelled("its owner is gone" if was_left else "its app was stopped at Modal")
        if was_left and seen.lease:
            return Cancelled("its owner is gone")
        if seen.ready:
            return None
        if len([m for m in seen.machines if m.ended]) >= _FRUITLESS_STARTS:
            return Failed(f"{len(seen.machines)} machines were started, and none of them got ready.")
        # Its images were built before that, which may take longer than it has to get ready.
        age = time.time() - (seen.call.deployed or seen.asked.created)
        if age > self._ready_within:
            return Failed(
                f"It was not ready after {age:.0f} s.",
                hint="`modal app logs` has its output; raise the option startup_timeout for a large model.",
            )
        return None

    def _is_silent(self, seen: Seen) -> bool:
        """Whether its client gave no sign of life for as long as we look, whatever the clocks say."""
        last, since = self._heard.get(seen.attempt.folder, (-1, 0.0))
        if last != seen.lease:
            self._heard[seen.attempt.folder] = seen.lease, time.monotonic()
            return False
        return time.monotonic() - since > _SILENT

    def _done(self, seen: Seen) -> Succeeded | None:
        """The success that a container declared and could not tell."""
        data = self._volume.read(f"runs/{seen.run_id}/DONE.json")
        try:
            return msgspec.convert(msgspec.json.decode(data), type=Succeeded) if data else None
        except msgspec.MsgspecError:
            return None

    def _declare(self, seen: Seen, end: Terminal) -> Seen:
        """Write an end down; where another reader did so first, that is the end."""
        last = seen.told[-1].time if seen.told else seen.asked.created
        if seen.end is not None:
            return seen
        told = evolve(end, seq=seen.last_seq + 1, time=max(time.time(), last))
        if self._volume.write_new(seen.attempt.end, dump_event(told).encode()):
            return seen.ended(told)
        data = self._volume.read(seen.attempt.end)
        first = load_event(data.decode()) if data else told
        assert isinstance(first, Succeeded | Failed | Cancelled)
        return seen.ended(first)

    def _tidy(self, seen: Seen, apps: dict[str, str]) -> Seen:
        """Stop the app of an endpoint that has ended by itself, so that no request wakes it again."""
        if seen.end and seen.call and seen.call.app_id in apps:
            self._stop(seen)
        return seen

    def _stop(self, seen: Seen) -> None:
        if seen.call and seen.call.app_id and seen.call.app_id not in self._stopped:
            calls.stop_app(seen.asked.app, seen.call.app_id, seen.asked.function, self._environment)
            self._forget_key(seen)
            self._stopped.add(seen.call.app_id)

    def _forget_key(self, seen: Seen) -> None:
        if seen.asked.proxy_auth and (key := self._volume.read(seen.attempt.key)):
            locks.forget_key(key.decode())

    def _may_have_app(self, seen: Seen) -> bool:
        return seen.call is not None and bool(seen.call.app_id) and seen.call.app_id not in self._stopped


def _uncalled() -> Failed:
    return Failed("Its client ended before it was started.", hint="Start it again under the same name.")
