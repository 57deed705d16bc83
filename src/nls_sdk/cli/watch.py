"""Watching a run: a progress bar on a terminal, one line an event elsewhere, always on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..events import Cancelled, Event, Failed, Progress, Ready, Succeeded
from ..runs import Run
from .failures import Interrupted
from .words import describe, progress_figures


def watch(
    run: Run[Any], *, title: str, interrupted: Callable[[], Interrupted] | None = None
) -> Ready | Succeeded:
    """Show a run's events until its result is there.

    Args:
        run: The run.
        title: What the bar is called.
        interrupted: What is done at Ctrl-C; what it returns is raised. Without it, Ctrl-C is raised on.

    Raises:
        RunFailed: The job raised or died.
        RunCancelled: Somebody cancelled it.
        Interrupted: Ctrl-C, after `interrupted`.
    """
    with _shown(title) as show:
        try:
            for event in run.events():
                show(event)
                if isinstance(event, Ready | Succeeded):
                    return event
        except KeyboardInterrupt:
            if interrupted is None:
                raise
            raise interrupted() from None
    raise AssertionError("unreachable: events() ends with a result or raises")


@contextmanager
def _shown(title: str) -> Iterator[Callable[[Event], None]]:
    if not sys.stderr.isatty():

        def line(event: Event) -> None:
            # The error that follows a failure tells it.
            if not isinstance(event, Failed | Cancelled):
                click.echo(describe(event), err=True)

        yield line
        return
    with bar(title) as move:

        def show(event: Event) -> None:
            if isinstance(event, Progress):
                move(event.step, event.total, progress_figures(event))

        yield show


@contextmanager
def counted(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress through `total` items; call what it yields after each, with figures to show."""
    done = 0
    if sys.stderr.isatty():
        with bar(title) as move:
            move(0, total, "")

            def step(figures: str) -> None:
                nonlocal done
                done += 1
                move(done, total, figures)

            yield step
        return

    def line(figures: str) -> None:
        nonlocal done
        done += 1
        if done == total or done * 10 // total > (done - 1) * 10 // total:
            click.echo(f"{title}: {done}/{total}  {figures}", err=True)

    yield line


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr; call what it yields with (done, total, figures)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), refresh_per_second=4) as bars:
        task = bars.add_task(title, total=None, figures="")
        yield lambda done, total, figures: bars.update(task, completed=done, total=total, figures=figures)
