"""The Modal provider's contract suite, with the real worker, and the whole job in an empty network namespace.

    python benchmarks/modal_offline.py [pytest's arguments]

There is a loopback interface and nothing else in it, so whatever passes has left the machine with nothing. It
needs root, or user namespaces; exits with 77 where it may not make a namespace, and nothing is proved then.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "providers" / "nls-sdk-modal" / "tests"
SUITES = (str(TESTS / "test_contract.py"), str(TESTS / "test_whole_job.py"))
_SIOCSIFFLAGS, _UP = 0x8914, 0x1
_SKIPPED = 77


def inside(arguments: list[str]) -> None:
    """Become pytest, with the loopback interface up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))
    interfaces = [name for _, name in socket.if_nameindex()]
    assert interfaces == ["lo"], interfaces
    print(f"In a network namespace of its own, with these interfaces: {', '.join(interfaces)}", flush=True)
    chosen = arguments if any(not each.startswith("-") for each in arguments) else [*SUITES, *arguments]
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *chosen]
    os.execve(sys.executable, command, {**os.environ, "NLS_REAL_WORKER": "1"})


def main() -> None:
    """Make the namespace, and run the tests in it."""
    if sys.argv[1:2] == ["--inside"]:
        return inside(sys.argv[2:])
    unshare = ["unshare", "--net", *(["--map-root-user"] if os.getuid() else [])]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        print("NOT PROVED: this machine lets nobody but root make a network namespace.", file=sys.stderr)
        raise SystemExit(_SKIPPED)
    command = [*unshare, sys.executable, __file__, "--inside", *sys.argv[1:]]
    raise SystemExit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
