"""Reaping: what the runs of this Volume left at Modal, stopped; what is not theirs is left, and named."""

from __future__ import annotations

from collections.abc import Sequence

from nls_sdk.errors import ProviderError
from nls_sdk.providers import Reaped

from . import app, calls, locks
from .options import Options
from .records import Seen, is_server


def reap(options: Options, found: Sequence[Seen]) -> Reaped:
    """Stop what no living run needs: calls of jobs that have ended, apps, proxy tokens.

    Args:
        options: The provider's; they say which Volume's.
        found: All of its runs, settled.

    Raises:
        ProviderError: Something cannot be stopped.
    """
    stopped = [seen.run_id for seen in found if _may_go_on(seen) and _end(seen)]
    living = {seen.asked.app for seen in found if not seen.end}
    left = {}
    for app_id, name in calls.live_apps(options.environment).items():
        tags = calls.tags_of(name, options.environment) or {}
        if name in living or not app.OURS.items() <= tags.items():
            continue
        if app.volume_tags(options).items() <= tags.items():
            functions = [app.SERVER] if "nls-run" in tags else [*app.JOBS.values()]
            calls.stop_app(name, app_id, functions, options.environment)
            stopped.append(name)
        else:
            left[name] = _whose(tags.get("nls-volume"))
    try:
        locks.forget_keys(options, keep=living)
    except ProviderError as error:
        if error.retryable:
            raise
        left["proxy tokens"] = error.message
    return Reaped(stopped, left)


def _may_go_on(seen: Seen) -> bool:
    """Whether a container may still be at work for a job that was declared ended: its own word is missing."""
    has_word = bool(seen.machines) and all(machine.ended for machine in seen.machines)
    return not is_server(seen) and bool(seen.end and seen.call_id) and not has_word


def _end(seen: Seen) -> bool:
    """End a job's call; whether it still went on."""
    went_on = not calls.outcome(seen.call_id).is_over
    calls.end_call(seen.call_id)
    return went_on


def _whose(volume: str | None) -> str:
    if volume is None:
        return "it does not say which Volume's runs are in it; `modal app stop` stops it"
    return f"its runs are on Volume {volume}; `--option volume={volume}` stops them"
