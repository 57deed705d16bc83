"""The console script `nls-finetune`: parse, call `nls_sdk`, print.

Answers go to stdout, everything for the eye to stderr. Exit codes: 0 fine, 1 a check, a target or a run
failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from .root import cli

if TYPE_CHECKING:
    from ..providers import Provider

__all__ = ["cli", "main"]


def main(argv: Sequence[str] | None = None, *, provider: Provider | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: The arguments; those of the process by default.
        provider: Used in place of the one that the arguments name.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        # A killed or closed terminal unwinds like Ctrl-C, so that nothing is left running.
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            # What the caller had ignored, as nohup does, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _leave)
    _open_closed_streams()
    try:
        code = cli.main(arguments, prog_name="nls-finetune", standalone_mode=False, obj=provider)
        sys.stdout.flush()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except BrokenPipeError:
        _discard_stdout()
        return 1
    except BaseException as error:
        from .failures import report

        try:
            code = report(error, as_json="--json" in arguments, debug="--debug" in arguments)
            sys.stdout.flush()
        except OSError:
            _discard_stdout()
            return 1
    return code if isinstance(code, int) else 0


def _open_closed_streams() -> None:
    """Give a stream that the caller closed (`>&-`) somewhere to go."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # it is open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # it is open to the end


def _discard_stdout() -> None:
    """Python flushes stdout once more at exit; let it flush into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
