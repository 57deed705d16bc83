"""attach: find a run again, from another process or another machine."""

from __future__ import annotations

from typing import Any

from .endpoint import Endpoint
from .errors import ConfigError, RunNotFound
from .models import Adapter, MergedModel, merge_run, serve_run
from .plugins import provider as make_provider
from .providers import Provider, require_provider
from .runs import Run, find_run
from .tasks import DryRun, Merge, Serve, Train
from .training import train_run

_ELSEWHERE = (
    "A reference does not say where the provider keeps its runs: attach with the options and the "
    "environment, such as NLS_HOME, that the run was started with."
)


def attach(
    ref: str, *, provider: Provider | None = None, **options: Any
) -> Run[Adapter] | Run[MergedModel] | Run[Endpoint] | Run[None]:
    """The run that a `Run.ref` names.

    Args:
        ref: `PROVIDER:NAME.KIND`.
        provider: The provider, where it is already made.
        options: Passed to the provider plugin otherwise.

    Raises:
        ConfigError: `ref` is not of that form.
        PluginError: The provider cannot be used.
        RunNotFound: It has no such run; the hint lists near names.
    """
    name, colon, run_id = ref.partition(":")
    if not (name and colon and run_id):
        raise ConfigError(f"{ref!r} names no run.", hint="A reference looks like local:first.train")
    if provider is not None:
        require_provider(provider, "attach: provider")
    place = provider or make_provider(name, **options)
    try:
        record = find_run(place, run_id)
    except RunNotFound as error:
        error.hint += " " + _ELSEWHERE
        raise
    match record.task:
        case Train() as task:
            return train_run(place, run_id, task)
        case Merge() as task:
            return merge_run(place, run_id, task)
        case Serve() as task:
            return serve_run(place, run_id, task)
        case DryRun():
            return Run[None](place, run_id, lambda _: None)
