"""Wall seconds and peak memory of each stage of the demo.

    python benchmarks/stages.py [demo's own options, such as --rows 6000]

Runs `nls-finetune demo` in a folder and a home of its own, and watches the memory of every process it starts
(resident set, workers with their children; a process's stage is the run it works on).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

INTERVAL = 0.2


def worker_run(process: psutil.Process) -> str | None:
    """The run that a worker process works on."""
    command = process.cmdline()
    return command[-1] if "nls_sdk.worker" in command else None


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold."""
    return int(sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]))


def watch(demo: subprocess.Popen[str], home: Path) -> dict[str, int]:
    """The most memory that each run's worker held until the demo ended."""
    peaks: dict[str, int] = defaultdict(int)
    while demo.poll() is None:
        for process in psutil.process_iter():
            try:
                if str(home) in process.cmdline() and (run := worker_run(process)):
                    peaks[run] = max(peaks[run], resident(process))
                elif process.pid == demo.pid:
                    peaks["client"] = max(peaks["client"], process.memory_info().rss)
            except psutil.Error:
                continue
        time.sleep(INTERVAL)
    return peaks


def main() -> int:
    """Run, watch, print."""
    with tempfile.TemporaryDirectory(prefix="nls-stages-") as folder:
        place = Path(folder)
        command = [
            str(Path(sys.executable).with_name("nls-finetune")),
            "demo",
            "--provider",
            "local",
            "--json",
        ]
        with (place / "out.json").open("w") as out:
            demo = subprocess.Popen(
                [*command, *sys.argv[1:]],
                cwd=place,
                env={**os.environ, "NLS_HOME": str(place / "home")},
                stdout=out,
                text=True,
            )
            peaks = watch(demo, place / "home")
        if demo.returncode:
            return demo.returncode
        stages = json.loads((place / "out.json").read_text("utf-8"))["stages"]
    for stage in stages:
        print(f"{stage['name']:24}{stage['seconds']:8.1f} s")
    print(f"{'in all':24}{sum(stage['seconds'] for stage in stages):8.1f} s")
    for run, peak in peaks.items():
        print(f"{run:40}{peak / 2**20:8,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
