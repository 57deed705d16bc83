"""Finding the server that a command talks to: a run's own, or any other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import click

from ..endpoint import Endpoint
from ..errors import ConfigError
from ..models import serve_run
from ..providers import RunRecord
from ..retry import retry
from ..safe_decoding import LEVELS, Decoding
from ..tasks import Serve
from .app import App
from .failures import Interrupted
from .lookup import is_live, records_of
from .watch import watch
from .words import describe

endpoint_name = click.option(
    "--run-name", metavar="NAME", help="Whose endpoint; may be left out while one is up."
)


def foreign_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--url`, `--api-key-env`, `--model` and `--decoding`."""
    options = (
        click.option("--url", metavar="URL", help="Any OpenAI-compatible API, ending in /v1, not a run's."),
        click.option("--api-key-env", metavar="VARIABLE", help="The variable that holds the key of --url."),
        click.option(
            "--model",
            metavar="NAME",
            help="The model's name in the API, such as an adapter's.  [default: llm]",
        ),
        click.option(
            "--decoding",
            type=click.Choice(LEVELS),
            help="How safely it is asked: as it answers; again under the grammar where Sourcegraph would "
            "refuse the answer; always under the grammar.  [default: checked]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def the_endpoint(
    app: App,
    name: str | None,
    url: str | None,
    api_key_env: str | None,
    model: str | None,
    decoding: Decoding | None = None,
) -> Endpoint:
    """The server that the options mean; one that is not a run's is asked with the configured system prompt.

    Raises:
        RunNotFound: No run has that name.
        ConfigError: The options contradict each other, or no endpoint is up.
    """
    if url is not None:
        if name is not None:
            raise ConfigError("--run-name and --url name two endpoints.", hint="Give one of them.")
        key = _foreign_key(url, api_key_env)
        system = app.settings.system_prompt
        return Endpoint(url, api_key=key, model=model or "llm", system=system, decoding=decoding or "checked")
    if api_key_env is not None:
        raise ConfigError("--api-key-env goes with --url.", hint="A run's own key is found without it.")
    record = live_endpoint(app, name)
    assert isinstance(record.task, Serve)
    run = serve_run(app.provider, record.run_id, record.task, decoding=decoding or "checked")
    if record.state != "ready":
        app.tell(f"{run.ref} is starting.")
        again = Interrupted(f"{run.ref} is still starting.", ref=run.ref)
        watch(run, title=f"deploy {record.task.name}", interrupted=lambda: again)
    endpoint = run.result()
    return endpoint.of_model(model) if model is not None and model != endpoint.model else endpoint


def live_endpoint(app: App, name: str | None) -> RunRecord:
    """The endpoint that is up or starting: of that name, or the only one that is up, or else starting.

    Raises:
        RunNotFound: No run has that name.
        ConfigError: There is none, or there are several and no name was given.
    """
    records = retry(app.provider.runs) if name is None else records_of(app.provider, name)
    servers = [record for record in records if record.task.kind == "serve"]
    live = [record for record in servers if is_live(record)]
    if name is None:
        ready = [record for record in live if record.state == "ready"]
        return _only(app, ready or live, [record for record in records if record.task.kind == "merge"])
    if live:
        return live[-1]
    start = f"Start it: {app.command('deploy', '--run-name', name)}"
    if not servers:
        raise ConfigError(f"The endpoint of {name!r} was never deployed.", hint=start)
    ended = servers[-1].end
    stands = describe(ended).rstrip(".") if ended else servers[-1].state
    raise ConfigError(f"The endpoint of {name!r} is not up: it {stands}.", hint=start)


def _only(app: App, live: Sequence[RunRecord], merges: Sequence[RunRecord]) -> RunRecord:
    match live:
        case [record]:
            return record
        case []:
            name = merges[-1].task.name if merges else "NAME"
            start = app.command("deploy", "--run-name", name)
            raise ConfigError(f"No endpoint is up at {app.provider.name}.", hint=f"Start one: {start}")
        case several:
            names = ", ".join(record.task.name for record in several)
            raise ConfigError(f"Several endpoints are up: {names}.", hint="Name one with --run-name.")


def _foreign_key(url: str, api_key_env: str | None) -> str | None:
    api_key = None
    if api_key_env is not None:
        api_key = os.environ.get(api_key_env)
        if not api_key:
            raise ConfigError(f"{api_key_env} is not set.", hint="--api-key-env names a variable, not a key.")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is not a URL.", hint="It looks like https://HOST/v1.")
    return api_key
