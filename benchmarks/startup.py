"""How long it takes until something happens: imports and `--help`, beside those of the neighbours.

    python benchmarks/startup.py [--repeats 15]

Each row is the median and the fastest of so many fresh processes, taken in turns so that a busy moment hurts
all alike; "over bare" has the time of `python -c pass` taken off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

BARE = "python -c pass"
ROWS: dict[str, list[str]] = {
    BARE: [sys.executable, "-c", "pass"],
    "import nls_sdk": [sys.executable, "-c", "import nls_sdk"],
    "import openai": [sys.executable, "-c", "import openai"],
    "nls-finetune --help": ["nls-finetune", "--help"],
    "trl --help": ["trl", "--help"],
    "modal --help": ["modal", "--help"],
}


def find(command: list[str]) -> list[str] | None:
    """The command with its program's full path, looked for beside this Python first."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = shutil.which(command[0], path=places)
    return [program, *command[1:]] if program else None


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    commands = {name: found for name, command in ROWS.items() if (found := find(command))}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)  # the first run reads from disk
    for _ in range(repeats):
        for name, command in commands.items():
            times[name].append(seconds(command))
    bare = statistics.median(times[BARE])
    print(f"{'':22}{'median ms':>10}{'fastest':>10}{'over bare':>10}")
    for name in ROWS:
        if name not in times:
            print(f"{name:22}{'not installed':>20}")
            continue
        middle = statistics.median(times[name])
        print(f"{name:22}{1000 * middle:10.0f}{1000 * min(times[name]):10.0f}{1000 * (middle - bare):10.0f}")


if __name__ == "__main__":
    main()
