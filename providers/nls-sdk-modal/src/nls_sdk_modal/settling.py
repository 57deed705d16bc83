"""Settling: what no container could tell any more, a reader finds out and writes down for all readers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from attrs import evolve

from nls_sdk.errors import NlsError
from nls_sdk.events import Cancelled, Failed, Succeeded, Terminal, dump_event, load_event

from . import calls, deploying, locks
from .account import noting
from .clock import VolumeClock
from .layout import Asked, Attempt
from .records import Seen, is_server, see_all
from .together import together
from .volume import RunsVolume

_SILENT = 30.0
"""Seconds without a sign of life of its client after which an attempt that has no call yet is given up."""

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
        self._clock = VolumeClock(volume)
        self._stopped: set[str] = set()

    def find(self, run_id: str) -> Seen | None:
        """The last attempt of a run, settled; None where there is none."""
        return next(iter(self.settle(see_all(self._volume, run_id))), None)

    def settle(self, found: Sequence[Seen]) -> list[Seen]:
        """The same attempts, those with their end that have come to one."""
        apps = calls.live_apps(self._environment) if any(map(self._may_have_app, found)) else {}
        return together(lambda seen: self._settle(seen, apps), found)

    def cancel(self, seen: Seen, reason: str = "cancelled") -> None:
        """End a run, and see that no machine of it is left."""
        if not is_server(seen):
            # What it told until now counts; what a dying container tells later does not.
            self.stop(seen)
        seen = self._declare(self._again(seen), Cancelled(reason))
        if is_server(seen):
            self.stop(seen)

    def stop(self, seen: Seen) -> None:
        """See that nothing of an attempt is left at Modal: no call, no app of its own, no proxy token.

        Raises:
            ProviderError: Something is left.
        """
        if not is_server(seen):
            if seen.call_id:
                calls.end_call(seen.call_id)
            return
        if seen.attempt.folder in self._stopped:
            return
        app_id = seen.call.app_id if seen.call else self._unrecorded_app(seen)
        if app_id:
            calls.stop_app(seen.asked.app, app_id, [seen.asked.function], self._environment)
        self._forget_key(seen)
        if seen.call:
            self._stopped.add(seen.attempt.folder)

    def is_owned(self, seen: Seen, *, but: str = "") -> bool:
        """Whether a client gave a sign of life of late, or one besides that named."""
        fresh = self._clock.now() - seen.asked.lease
        return any(when >= fresh for client, when in seen.leases.items() if client != but)

    def give_up(self, attempt: Attempt, asked: Asked, error: BaseException) -> None:
        """End an attempt that could not be started; what cannot be taken back is noted on the error."""
        said = error.message if isinstance(error, NlsError) else f"{type(error).__name__}"
        end = Failed(f"It could not be started: {said}", seq=asked.after + 1, time=time.time())
        with noting(error):
            self._volume.write_new(attempt.end, dump_event(end).encode())
        with noting(error):
            self.stop(Seen.claimed_only(attempt, asked))

    def _settle(self, seen: Seen, apps: dict[str, str]) -> Seen:
        if seen.end is None:
            end = self._find_end(seen, apps)
            if end is None:
                return seen
            # A container commits its last word before its call ends: what was read before that may lack it.
            seen = self._again(seen)
            seen = self._declare(seen, self._done(seen) or end)
            if is_server(seen):
                self.stop(seen)
        elif seen.call and seen.call.app_id in apps:
            # It has ended by itself, and no request is to wake it again.
            self.stop(seen)
        return seen

    def _find_end(self, seen: Seen, apps: dict[str, str]) -> Terminal | None:
        if seen.call is None and not seen.call_id:
            silence = self._clock.now() - seen.last_sign
            return _uncalled() if silence > _SILENT else None
        if is_server(seen):
            return self._server_end(seen, apps)
        outcome = calls.outcome(seen.call_id)
        if not outcome.is_over:
            return None
        if outcome.was_cancelled:
            return Cancelled("cancelled at Modal")
        why = outcome.error or "its machine ended without a word"
        return Failed(f"Modal gave it up: {why}", hint=_RESUMES)

    def _server_end(self, seen: Seen, apps: dict[str, str]) -> Terminal | None:
        was_left = seen.asked.lease and not seen.detached and not self.is_owned(seen)
        if seen.call and seen.call.app_id not in apps:
            return Cancelled("its owner is gone" if was_left else "its app was stopped at Modal")
        if was_left and seen.leases:
            return Cancelled("its owner is gone")
        if seen.ready:
            return None
        if len([m for m in seen.machines if m.ended]) >= _FRUITLESS_STARTS:
            return Failed(f"{len(seen.machines)} machines were started, and none of them got ready.")
        # Its images were built before that, which may take longer than it has to get ready.
        age = self._clock.now() - seen.called
        if age > self._ready_within:
            return Failed(
                f"It was not ready after {age:.0f} s.",
                hint="`modal app logs` has its output; raise the option startup_timeout for a large model.",
            )
        return None

    def _again(self, seen: Seen) -> Seen:
        """The same attempt as it is told now."""
        return next(iter(see_all(self._volume, seen.run_id)), seen)

    def _done(self, seen: Seen) -> Succeeded | None:
        """The success that a container declared and could not tell."""
        data = self._volume.read(f"runs/{seen.run_id}/DONE.json")
        try:
            return msgspec.convert(msgspec.json.decode(data), type=Succeeded) if data else None
        except msgspec.MsgspecError:
            return None

    def _declare(self, seen: Seen, end: Terminal) -> Seen:
        """Write an end down, unless there is one; where another reader did so first, that is the end."""
        if seen.end is not None:
            return seen
        last = seen.told[-1].time if seen.told else seen.asked.created
        told = evolve(end, seq=seen.last_seq + 1, time=max(time.time(), last))
        if self._volume.write_new(seen.attempt.end, dump_event(told).encode()):
            return seen.ended(told)
        data = self._volume.read(seen.attempt.end)
        first = load_event(data.decode()) if data else told
        assert isinstance(first, Succeeded | Failed | Cancelled)
        return seen.ended(first)

    def _unrecorded_app(self, seen: Seen) -> str:
        """The app of an endpoint whose client died, or failed, before it wrote down what it had deployed."""
        return deploying.app_of(seen.attempt, seen.asked.app, self._environment)

    def _forget_key(self, seen: Seen) -> None:
        if seen.asked.proxy_auth and (key := self._volume.read(seen.attempt.key)):
            locks.forget_key(key.decode())

    def _may_have_app(self, seen: Seen) -> bool:
        return is_server(seen) and seen.call is not None and seen.attempt.folder not in self._stopped


def _uncalled() -> Failed:
    return Failed("Its client ended before it was started.", hint="Start it again under the same name.")
