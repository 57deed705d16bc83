"""What a newcomer waits for: an empty clone, a fresh home, and the README's two commands, from nothing.

    python benchmarks/fresh_clone.py [REPOSITORY]

Prints the minutes of each command and of both together; exits with 1 when one fails. Pip's cache is not used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = ("make demo", "make test")


def main() -> int:
    """Clone, run both commands, print the table."""
    source = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).resolve().parents[1])
    failed, total = 0, 0.0
    with tempfile.TemporaryDirectory(prefix="nls-fresh-") as place:
        home, clone = Path(place, "home"), Path(place, "clone")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", source, clone], check=True)
        gone = ("VIRTUAL_ENV", "PYTHONPATH", "NLS_HOME", "NLS_PROVIDER", "XDG_DATA_HOME", "XDG_CACHE_HOME")
        environment = {name: value for name, value in os.environ.items() if name not in gone}
        environment |= {"HOME": str(home), "PIP_NO_CACHE_DIR": "1"}
        rows = []
        for command in COMMANDS:
            start = time.monotonic()
            code = subprocess.run(command.split(), cwd=clone, env=environment).returncode
            minutes = (time.monotonic() - start) / 60
            failed, total = failed or code, total + minutes
            rows.append(f"{command:12}{minutes:6.1f} min  exit {code}")
        size = sum(file.stat().st_size for file in (clone / ".venv").rglob("*") if file.is_file())
    print("\n".join([*rows, f"{'both':12}{total:6.1f} min", f"{'.venv':12}{size / 2**30:6.1f} GiB"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
