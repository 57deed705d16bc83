"""`deploy`, `ask`, `key`, `stop`, `export`: a merged model at work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import attrs
import click

from ..errors import ConfigError
from ..events import Ready
from ..models import Adapter, MergedModel, merge_run, serve_run
from ..providers import Reaped, ReapingProvider
from ..publishing import Precision
from ..retry import retry
from ..safe_decoding import Decoding
from ..serve_config import ServeConfig
from ..settings import override_serving
from ..tasks import Merge, Train
from ..training import check_run_name, train_run
from .app import App, detach, limits, run_name, shared
from .curl import curl
from .endpoints import endpoint_name, foreign_options, live_endpoint, the_endpoint
from .failures import Interrupted
from .lookup import finished, is_live, is_new, records_of
from .watch import watch
from .words import duration


@click.command()
@run_name
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one.")
@click.option("--idle-timeout", type=click.FloatRange(0), metavar="SECONDS", help="0 is never.")
@click.option("--engine", type=click.Choice(["auto", "vllm", "cpu"]), help="What serves the model.")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change any field of `ServeConfig`."
)
@click.option(
    "--adapter",
    "adapter_names",
    metavar="NAME",
    multiple=True,
    help="Serve the adapter of this training beside its base, instead of a merged model; on a GPU.",
)
@click.option("--show-key", is_flag=True, help="Print the API key too.")
@detach
@limits
@shared
def deploy(
    app: App,
    run_name: str,
    port: int | None,
    idle_timeout: float | None,
    engine: str | None,
    assignments: tuple[str, ...],
    adapter_names: tuple[str, ...],
    show_key: bool,
    detach: bool,
) -> None:
    """Serve a merged model at an OpenAI-compatible endpoint.

    With --adapter, adapters beside their base instead, each by its name.
    The endpoint stays up when this command is done, until it is stopped or idle for its timeout.
    """
    check_run_name(run_name)
    adapters = [_adapter(app, name) for name in adapter_names]
    model = _model(app, run_name, adapters)
    told: dict[str, Any] = {"port": port, "idle_timeout": idle_timeout, "engine": engine}
    config = attrs.evolve(app.settings.serve, **{k: v for k, v in told.items() if v is not None})
    config = override_serving(config, assignments)
    task = model.serve_task(config, adapters=adapters, detached=True)
    if is_new(app, task):
        app.tell(f"Price: {retry(lambda: app.provider.estimate(task)).basis}")
    run = serve_run(app.provider, retry(lambda: app.provider.submit(task)), task)
    app.tell(_lifetime(config))
    stop = app.command("stop", "--run-name", run_name)
    if detach:
        app.tell(f"Stop it: {stop}")
        app.answer({"ref": run.ref}, run.ref)
        return

    def interrupted() -> Interrupted:
        run.cancel()
        return Interrupted(f"{run.ref} was not up yet, and is stopped.", ref=run.ref)

    ready = watch(run, title=f"deploy {run_name}", interrupted=interrupted)
    assert isinstance(ready, Ready)
    key = retry(lambda: app.provider.api_key(run.run_id))
    values = {"ref": run.ref, "url": ready.url, "model": ready.model, "idle_timeout": config.idle_timeout}
    app.answer(
        {**values, "api_key": key} if show_key else values,
        "\n".join(
            [
                f"URL:   {ready.url}",
                f"Model: {', '.join([ready.model, *adapter_names])}",
                f"Key:   {_key_line(app, run_name, key, show_key)}",
                f"Try:   {curl(app, ready, run_name, system=model.system, has_key=key is not None)}",
                f"Stop:  {stop}",
            ]
        ),
    )


@click.command()
@click.argument("question")
@endpoint_name
@foreign_options
@shared
def ask(
    app: App,
    question: str,
    run_name: str | None,
    url: str | None,
    api_key_env: str | None,
    model: str | None,
    decoding: Decoding | None,
) -> None:
    """Translate one question at a live endpoint."""
    if not question.strip():
        raise ConfigError("The question is empty.")
    endpoint = the_endpoint(app, run_name, url, api_key_env, model, decoding)
    answer = retry(lambda: endpoint.translate(question))
    values = {
        "question": question,
        "query": str(answer),
        "seconds": _rounded(answer.seconds),
        "server_seconds": _rounded(answer.server_seconds),
        "network_seconds": _rounded(answer.network_seconds),
        "decoding": endpoint.decoding,
        "fault": answer.fault,
        "refused": answer.refused,
        "url": endpoint.url,
    }
    if answer.fault:
        own = f"The model's own answer {answer.refused!r}" if answer.refused is not None else "This answer"
        app.tell(f"{own} would be refused by Sourcegraph: {answer.fault}")
    if not answer:
        app.tell("The answer is empty.")
    app.answer(values, str(answer))


@click.command()
@endpoint_name
@shared
def key(app: App, run_name: str | None) -> None:
    """Print the API key of an endpoint that is up or starting."""
    record = live_endpoint(app, run_name)
    value = retry(lambda: app.provider.api_key(record.run_id))
    app.answer({"run_id": record.run_id, "api_key": value}, value or "")


@click.command()
@click.option("--run-name", metavar="NAME", help="Whose endpoint.")
@click.option("--all", "everyone", is_flag=True, help="Stop all endpoints.")
@shared
def stop(app: App, run_name: str | None, everyone: bool) -> None:
    """Stop an endpoint."""
    if everyone == (run_name is not None):
        raise click.UsageError("Say which: --run-name NAME or --all.", click.get_current_context())
    records = retry(app.provider.runs) if run_name is None else records_of(app.provider, run_name)
    live = [record for record in records if record.task.kind == "serve" and is_live(record)]
    for record in live:
        retry(partial(app.provider.cancel, record.run_id))
    names = [record.run_id for record in live]
    reaped = retry(app.provider.reap) if everyone and isinstance(app.provider, ReapingProvider) else Reaped()
    names += reaped.stopped
    for name, why in reaped.left.items():
        app.tell(f"Left {name}: {why}.")
    app.answer(
        {"stopped": names, "left": dict(reaped.left)},
        f"Stopped {', '.join(names)}." if names else "No endpoint was up.",
    )


@click.command()
@run_name
@click.option("--to", required=True, type=click.Path(path_type=Path), help="A folder, which must not exist.")
@click.option(
    "--precision", type=click.Choice(get_args(Precision)), default="auto", help="`fp8`: eight bits, for vLLM."
)
@click.option("--push-to", metavar="OWNER/NAME", help="Upload it to this repository of the model hub too.")
@click.option("--public", is_flag=True, help="With --push-to: a repository that is made is public.")
@shared
def export(
    app: App, run_name: str, to: Path, precision: Precision, push_to: str | None, public: bool
) -> None:
    """Copy a merged model to a folder, with a model card."""
    record = finished(app, check_run_name(run_name), "merge", before="export")
    assert isinstance(record.task, Merge)
    model = merge_run(app.provider, record.run_id, record.task).result()
    base = record.task.base
    folder = model.export(
        to,
        precision=precision,
        base=base if isinstance(base, str) else None,
        push_to=push_to,
        private=not public,
    )
    app.answer({"folder": str(folder), "pushed_to": push_to}, str(folder))


def _adapter(app: App, name: str) -> Adapter:
    record = finished(app, check_run_name(name), "train", before="deploy")
    assert isinstance(record.task, Train)
    return train_run(app.provider, record.run_id, record.task).result()


def _model(app: App, name: str, adapters: Sequence[Adapter]) -> MergedModel:
    """The merged model of a name; or the base of adapters, to be served under that name."""
    if adapters:
        return MergedModel(app.provider, name, adapters[0].base, adapters[0].system)
    record = finished(app, name, "merge", before="deploy")
    assert isinstance(record.task, Merge)
    return merge_run(app.provider, record.run_id, record.task).result()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _lifetime(config: ServeConfig) -> str:
    """How long its server runs, also at a provider that starts it anew for the next question."""
    most = (
        f", and for at most {duration(config.idle_timeout)} without a request" if config.idle_timeout else ""
    )
    return f"The endpoint's server runs until it is stopped{most}."


def _key_line(app: App, name: str, key: str | None, show: bool) -> str:
    if key is None:
        return "none is asked for"
    return key if show else app.command("key", "--run-name", name)
