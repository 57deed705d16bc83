"""`status`, `logs`, `cancel`: how a run is doing, and its end."""

from __future__ import annotations

import time
from functools import partial

import click

from ..errors import ConfigError
from ..events import Cancelled, Failed, Succeeded, dump_event
from ..providers import RunRecord
from ..retry import retry
from ..runs import POLL_SECONDS
from ..tasks import KINDS, Serve
from .app import App, shared
from .app import run_name as the_run_name
from .lookup import is_live, none, plain, records_of
from .words import describe, dollars, duration

a_kind = click.option("--kind", type=click.Choice(list(KINDS)), help="Which of the name's runs.")


@click.command()
@click.option("--run-name", metavar="NAME", help="Only the runs of this name.")
@shared
def status(app: App, run_name: str | None) -> None:
    """Show where runs stand.

    Without a name: the runs that are under way, or else the newest.
    """
    if run_name is not None:
        records = records_of(app.provider, run_name)
    else:
        known = retry(app.provider.runs)
        records = [record for record in known if is_live(record)] or list(known[-1:])
    text = "\n\n".join(_details(record) for record in records) if records else none(app)
    app.answer([plain(app.provider, record) for record in records], text)


@click.command()
@the_run_name
@a_kind
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends; Ctrl-C leaves it going.")
@shared
def logs(app: App, run_name: str, kind: str | None, follow: bool) -> None:
    """Print what a run has told, one event a line.

    Without --kind: of the name's runs the one that is under way, else the newest.
    """
    record = _pick(app, run_name, kind)
    after = 0
    while True:
        news = retry(partial(app.provider.events, record.run_id, after=after))
        for event in news:
            after = event.seq
            click.echo(dump_event(event) if app.as_json else describe(event))
            if isinstance(event, Succeeded | Failed | Cancelled):
                return
        if not follow and not news:
            return
        if not news:
            time.sleep(POLL_SECONDS)


@click.command()
@the_run_name
@a_kind
@shared
def cancel(app: App, run_name: str, kind: str | None) -> None:
    """Stop a run that is under way.

    Without --kind: everything under way that has the name, whether it trains, merges or serves.
    """
    records = records_of(app.provider, run_name)
    live = [r for r in records if is_live(r) and kind in (None, r.task.kind)]
    for record in live:
        retry(partial(app.provider.cancel, record.run_id))
    names = [record.run_id for record in live]
    app.answer({"cancelled": names}, f"Cancelled {', '.join(names)}." if names else "Nothing was under way.")


def _pick(app: App, name: str, kind: str | None) -> RunRecord:
    """The run of a name and kind: without a kind one that is under way, else the newest."""
    records = records_of(app.provider, name)
    of_kind = [record for record in records if kind in (None, record.task.kind)]
    if not of_kind:
        kinds = ", ".join(record.task.kind for record in records)
        raise ConfigError(f"Run {name!r} has no {kind}.", hint=f"It has: {kinds}.")
    record = max(of_kind, key=lambda record: (is_live(record), record.created))
    if others := [other.task.kind for other in of_kind if other is not record]:
        app.tell(f"{record.run_id}, which is {record.state}; for the others: --kind {' or '.join(others)}.")
    return record


def _details(record: RunRecord) -> str:
    lines = [f"{record.run_id}: {record.state}, submitted {duration(time.time() - record.created)} ago"]
    if record.url:
        lines.append(f"  url      {record.url}")
    if isinstance(record.task, Serve):
        lines.append(f"  serves   {record.task.served_as}")
    if record.seconds is not None:
        price = "" if record.dollars is None else f", about {dollars(record.dollars)}"
        lines.append(f"  machine  {duration(record.seconds)}{price}")
    if record.progress and is_live(record):
        lines.append(f"  {describe(record.progress)}")
    if record.end:
        lines.append(f"  {describe(record.end)}")
        if isinstance(record.end, Failed) and record.end.hint:
            lines.append(f"  {record.end.hint}")
    return "\n".join(lines)
