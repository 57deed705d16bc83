"""Deploying at Modal, and starting what is deployed."""

from __future__ import annotations

import threading

import modal

from nls_sdk.errors import ProviderError
from nls_sdk.tasks import Serve, Task

from . import app, calls
from .account import speaking_to_modal
from .layout import Attempt
from .options import Options

_SECRETS = ("huggingface-secret", "wandb-secret")
_lock = threading.Lock()


def function_of(task: Task) -> str:
    """The function or server that does a task."""
    return app.SERVER if isinstance(task, Serve) else app.JOBS[task.kind]


def spawn(options: Options, function: str, attempt: Attempt) -> str:
    """Start a job and return the id of its call."""
    with speaking_to_modal(f"starting {attempt.run_id}"):
        found = modal.Function.from_name(options.app, function, environment_name=options.environment or None)
        return found.spawn(attempt.run_id, attempt.number).object_id


def deploy_server(options: Options, attempt: Attempt, task: Serve, *, port: int) -> tuple[str, str]:
    """Deploy an endpoint for an attempt; returns its app's id and its base URL."""
    made = app.serve_app(options, present_secrets(options), attempt, task, port=port)
    place = options.environment or None
    with speaking_to_modal(f"deploying {attempt.run_id}"):
        made.deploy(environment_name=place)
        if options.router == "server":
            url = modal.Server.from_name(options.serve_app, app.SERVER, environment_name=place).get_url()
        else:
            url = modal.Function.from_name(
                options.serve_app, app.SERVER, environment_name=place
            ).get_web_url()
    if not url or not made.app_id:
        raise ProviderError(f"Modal gave the endpoint of {attempt.run_id} no URL.")
    return made.app_id, url.rstrip("/")


def withdraw(options: Options, attempt: Attempt) -> None:
    """Stop an attempt's endpoint, should it be deployed although deploying it failed."""
    for app_id, name in calls.live_apps(options.environment).items():
        if name == options.serve_app:
            tags = calls.tags_of(name, options.environment) or {}
            if app.attempt_tags(attempt).items() <= tags.items():
                calls.stop_app(name, app_id, app.SERVER, options.environment)


def present_secrets(options: Options) -> list[str]:
    """Those of the secrets we know of that the account has."""
    import modal.exception as errors

    found = []
    for name in _SECRETS:
        with speaking_to_modal(f"looking for secret {name}"):
            try:
                modal.Secret.from_name(name, environment_name=options.environment or None).hydrate()
            except errors.NotFoundError:
                continue
        found.append(name)
    return found


def reap(options: Options, *, keep: set[str]) -> list[str]:
    """Stop the apps of endpoints that we deployed, but for those named; returns what was stopped."""
    stopped = []
    for app_id, name in calls.live_apps(options.environment).items():
        if name in keep or name == options.app:
            continue
        tags = calls.tags_of(name, options.environment)
        if tags and tags.get("managed-by") == app.TAGS["managed-by"] and "nls-run" in tags:
            calls.stop_app(name, app_id, app.SERVER, options.environment)
            stopped.append(name)
    return stopped


def deploy_jobs(options: Options) -> None:
    """Deploy the app of jobs, unless what is deployed is this very code with these very options."""
    with _lock:
        names = present_secrets(options)
        version = app.code_version(options, names)
        tags = calls.tags_of(options.app, options.environment)
        if tags is None or tags.get("nls-code") != version:
            with speaking_to_modal(f"deploying app {options.app}"):
                app.jobs_app(options, names).deploy(environment_name=options.environment or None)
