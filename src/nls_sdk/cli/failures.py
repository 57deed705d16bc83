"""What an error looks like to the user, and which exit code it has."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from typing import Any

import click

from ..errors import (
    ConfigError,
    DataError,
    EvaluationError,
    NlsError,
    PluginNotFound,
    RecipeError,
    RunNameTaken,
    RunNotFound,
)

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_INPUT = (ConfigError, DataError, EvaluationError, PluginNotFound, RecipeError, RunNameTaken, RunNotFound)


class Interrupted(Exception):
    """Ctrl-C, where there is something to say of what goes on or was stopped.

    Attributes:
        message: What became of it.
        hint: What to do next.
        ref: The run that it is about; None where there is none.
    """

    def __init__(self, message: str, *, hint: str = "", ref: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.ref = message, hint, ref


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell the user of an error, on stderr and, for machines, on stdout; return the exit code."""
    if debug or os.environ.get("NLS_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        error = Interrupted("Interrupted.")
    message, hint, code = _describe(error)
    hint = "\n".join([*([hint] if hint else []), *getattr(error, "__notes__", ())])
    _tell(message, hint, is_error=not isinstance(error, Interrupted))
    if as_json:
        values: dict[str, Any] = {"error": {"type": type(error).__name__, "message": message, "hint": hint}}
        if isinstance(error, Interrupted) and error.ref:
            values["ref"] = error.ref
        click.echo(json.dumps(values, ensure_ascii=False))
    return code


def _describe(error: BaseException) -> tuple[str, str, int]:
    match error:
        case Interrupted():
            return error.message, error.hint, INTERRUPTED
        case NlsError():
            return error.message, error.hint, USAGE if isinstance(error, _INPUT) else FAILED
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "nls-finetune"
            return error.format_message(), f"`{path} --help` shows the usage.", USAGE
        case click.ClickException():
            return error.format_message(), "", error.exit_code
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            place = f" at {error.filename}" if error.filename else ""
            return f"The disk is full{place}.", "Make room, and run the same command again.", FAILED
        case OSError() if error.strerror:
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror}.", "", FAILED
        case _:
            name = type(error).__name__
            return f"Unexpected {name}: {error}", "--debug shows where it came from.", FAILED


def _tell(message: str, hint: str, *, is_error: bool) -> None:
    red = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    start = click.style("error: ", fg="red", bold=True) if is_error else "\n"
    click.echo(start + message, err=True, color=red)
    if hint:
        click.echo(hint, err=True)
