"""Deploying at Modal, and starting what is deployed."""

from __future__ import annotations

import threading

import modal

from nls_sdk.errors import ProviderError
from nls_sdk.tasks import Serve, Task

from . import app, calls
from .account import speaking_to_modal
from .layout import Asked, Attempt
from .options import Options

_SECRETS = ("huggingface-secret", "wandb-secret")
_lock = threading.Lock()


def function_of(task: Task) -> str:
    """The function or server that does a task."""
    return app.SERVER if isinstance(task, Serve) else app.JOBS[task.kind]


def deploy_jobs(options: Options) -> str:
    """Deploy the app of jobs, unless this very code is deployed with these very options; returns its name."""
    with _lock:
        made = app.jobs_app(options, names := present_secrets(options))
        name = made.name or ""
        tags = calls.tags_of(name, options.environment)
        if tags is None or tags.get("nls-code") != app.code_version(options, names):
            with speaking_to_modal(f"deploying app {name}"):
                made.deploy(environment_name=options.environment or None)
        return name


def spawn(asked: Asked, attempt: Attempt, environment: str) -> str:
    """Start a job and return the id of its call."""
    with speaking_to_modal(f"starting {attempt.run_id}"):
        found = modal.Function.from_name(asked.app, asked.function, environment_name=environment or None)
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


def refuse_foreign_app(options: Options) -> None:
    """See that the endpoint's app is not somebody else's, who would lose it.

    Raises:
        ProviderError: An app of that name is deployed, and not by this Volume's runs.
    """
    tags = calls.tags_of(options.serve_app, options.environment)
    if tags and not app.volume_tags(options).items() <= tags.items():
        whose = f"Volume {tags['nls-volume']}'s" if "nls-volume" in tags else "not of this package"
        raise ProviderError(
            f"An app {options.serve_app} is deployed already, and it is {whose}.",
            hint="Give the endpoint an app of its own: `--option serve_app=nls-finetune-serve-2`.",
        )


def app_of(attempt: Attempt, name: str, environment: str) -> str:
    """The id of an attempt's endpoint's app, should it be deployed; empty where it is not."""
    for app_id, each in calls.live_apps(environment).items():
        if each == name:
            tags = calls.tags_of(name, environment) or {}
            if app.attempt_tags(attempt).items() <= tags.items():
                return app_id
    return ""


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
