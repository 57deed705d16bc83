"""What Modal knows of calls and apps: whether they live, what they died of, and stopping them for good."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nls_sdk.errors import ProviderError

from .account import speaking_to_modal

if TYPE_CHECKING:
    import modal

_PATIENCE = 60.0
_PAUSE = 0.5


@frozen
class Outcome:
    """How a call stands.

    Attributes:
        is_over: Whether it has ended.
        error: What it died of; empty when it returned.
        was_cancelled: Whether somebody cancelled it.
    """

    is_over: bool
    error: str = ""
    was_cancelled: bool = False


def outcome(call_id: str) -> Outcome:
    """Ask Modal how a call stands, without waiting for it."""
    import modal
    import modal.exception as errors
    from grpclib.exceptions import GRPCError, StreamTerminatedError

    call: modal.FunctionCall[Any] = modal.FunctionCall.from_id(call_id)
    with speaking_to_modal(f"looking at call {call_id}"):
        try:
            call.get(timeout=0)
        except errors.FunctionTimeoutError:
            return Outcome(True, "it ran into Modal's time limit for one machine (option timeout)")
        except errors.OutputExpiredError:
            return Outcome(True, "Modal has forgotten how it ended")
        except (errors.NotFoundError, errors.InputCancellation) as error:
            return Outcome(True, str(error), was_cancelled=isinstance(error, errors.InputCancellation))
        except (
            errors.RemoteError,
            errors.InternalFailure,
            errors.ExecutionError,
            errors.DeserializationError,
        ) as error:
            return Outcome(True, _said(error), was_cancelled="cancelled by user" in str(error))
        except TimeoutError:
            return Outcome(False)
        except (errors.Error, GRPCError, StreamTerminatedError, OSError):
            raise
        except Exception as error:
            # The call raised this itself, in its container.
            return Outcome(True, _said(error))
    return Outcome(True)


def end_call(call_id: str) -> None:
    """End a call and the containers that work on it, and wait until Modal says that it is over. Idempotent.

    Raises:
        ProviderError: It is not over after a minute.
    """
    import modal
    import modal.exception as errors

    with speaking_to_modal(f"cancelling call {call_id}"):
        try:
            modal.FunctionCall.from_id(call_id).cancel(terminate_containers=True)
        except errors.NotFoundError:
            return
    deadline = time.monotonic() + _PATIENCE
    while not outcome(call_id).is_over:
        if time.monotonic() > deadline:
            raise ProviderError(
                f"Modal was told to end call {call_id}, but it still goes on.",
                hint="`modal container list` shows its container, `modal container stop ID` ends it.",
            )
        time.sleep(_PAUSE)


def live_apps(environment: str) -> dict[str, str]:
    """The apps that are deployed or running: names by id."""
    import modal

    with speaking_to_modal("listing apps"):
        place = modal.Environment.from_name(environment) if environment else modal.Environment.from_context()
        return {app.app_id or "": app.name or "" for app in place.apps.list()}


def tags_of(name: str, environment: str) -> dict[str, str] | None:
    """The tags of a deployed app; None where it is not deployed."""
    import modal
    import modal.exception as errors

    with speaking_to_modal(f"looking at app {name}"):
        try:
            return dict(modal.App.lookup(name, environment_name=environment or None).get_tags())
        except errors.NotFoundError:
            return None


def stop_app(name: str, app_id: str, functions: Collection[str], environment: str) -> None:
    """Stop an app for good, and wait until no container of it is left. Idempotent.

    Args:
        name: Its name.
        app_id: Its id; another app that has the name meanwhile is left alone.
        functions: The functions and servers in it, whose containers are counted.
        environment: Where it is.

    Raises:
        ProviderError: Containers are left after a minute.
    """
    import modal
    import modal.exception as errors

    with speaking_to_modal(f"stopping app {name}"):
        try:
            app = modal.App.lookup(name, environment_name=environment or None)
            if app.app_id != app_id:
                return
        except errors.NotFoundError:
            return
        counted = []
        for function in functions:
            found = modal.Function.from_name(name, function, environment_name=environment or None)
            with contextlib.suppress(errors.NotFoundError):
                counted.append(found.hydrate())
        app.stop()
        deadline = time.monotonic() + _PATIENCE
        while left := sum(map(_containers, counted)):
            if time.monotonic() > deadline:
                raise ProviderError(
                    f"App {name} is stopped, but {left} of its containers still run.",
                    hint="`modal container list` shows them, `modal container stop ID` ends one.",
                )
            time.sleep(_PAUSE)


def _containers(function: modal.Function[..., Any, Any]) -> int:
    """How many a function has; none where Modal has forgotten it, as its app is stopped."""
    import modal.exception as errors

    try:
        return function.get_current_stats().num_total_runners
    except errors.NotFoundError:
        return 0


def _said(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
