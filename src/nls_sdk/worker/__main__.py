"""`python -m nls_sdk.worker --home HOME RUN_ID`: do the task of a run directory and tell about it.

Events go to standard output, one JSON line each; everything else goes to standard error. The exit code is
1 after `Failed`, else 0.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import get_args

from ..errors import NlsError, RunCancelled
from ..events import Cancelled, Failed, Log, Succeeded, Terminal
from ..rundir import RunDirectory
from ..tasks import DryRun, Merge, Serve, Train
from .devices import DeviceName
from .failures import explain
from .lifeline import end_with_stdin
from .peers import peers, rank
from .telling import Tell, open_teller

_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin long while they wait make a busy machine several times slower; those that never spin
    # make an idle one twice as slow. Read by GNU's OpenMP, which torch has on Linux.
    "GOMP_SPINCOUNT": "1000",
}


class _Stop(BaseException):
    """Somebody sent SIGTERM or SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one task to its end. Returns the exit code."""
    options = _parser().parse_args(argv)
    tell = open_teller()
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # What is compiled for a GPU outlives this machine where the home folder does.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(options.home.absolute() / "cache" / "compiled"))
    directory = RunDirectory(options.home.absolute(), options.run_id)
    count = options.processes if directory.kind == Train.kind else 1
    if not rank():
        # No more GPUs than processes: with others in sight a trainer would split its batches.
        seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(seen.split(",")[:count])
    warnings.simplefilter("ignore", FutureWarning)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if options.watch_stdin:
        end_with_stdin()
    others = ["--home", str(directory.home), "--device", options.device, options.run_id]
    with peers(count, others, tell) as started:
        end = _run(directory, tell, options.device, options.host)
    if started and started.failed and not isinstance(end, Succeeded):
        end = started.failed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    tell(end)
    return 1 if isinstance(end, Failed) else 0


def _run(directory: RunDirectory, tell: Tell, device: DeviceName, host: str) -> Terminal:
    try:
        return _attempt(directory, tell, device, host)
    except (_Stop, KeyboardInterrupt):  # At any moment, also while an error is explained.
        return Cancelled()


def _attempt(directory: RunDirectory, tell: Tell, device: DeviceName, host: str) -> Terminal:
    try:
        return _do(directory, tell, device, host)
    except RunCancelled as error:
        return Cancelled(error.message)
    except Exception as error:
        if not isinstance(error, NlsError) or error.__cause__ is not None:
            traceback.print_exc(file=sys.stderr)
        return explain(error, directory.kind)


def _do(directory: RunDirectory, tell: Tell, device: DeviceName, host: str) -> Terminal:
    task = directory.read_task()
    if (done := directory.read_done()) is not None:
        return done
    match task:
        case Train():
            begun = time.monotonic()
            from .training import train

            tell(Log(f"imported what trains in {time.monotonic() - begun:.1f} s"))
            return train(directory, task, tell, device)
        case DryRun():
            from .dry_run import dry_run

            return dry_run(directory, task, tell, device)
        case Merge():
            from .merging import merge

            return merge(directory, task, tell, device)
        case Serve():
            from .serving import serve

            return serve(directory, task, tell, device, host=host)


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nls_sdk.worker", description="Do a run's task.")
    parser.add_argument("run_id", metavar="RUN_ID")
    parser.add_argument("--home", type=Path, required=True, help="the provider's home folder")
    parser.add_argument(
        "--device",
        choices=get_args(DeviceName),
        default="auto",
        help="what to work on; `cuda` fails where there is no GPU",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address that a server listens on; 0.0.0.0 in a container that is reached from outside",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="processes that share the steps of a training, each on a GPU of its own where there are GPUs",
    )
    parser.add_argument(
        "--watch-stdin",
        action="store_true",
        help="end at once, with all children, when standard input ends",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
