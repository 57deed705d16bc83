"""What this machine has, looked at without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import psutil
from attrs import frozen

from nls_sdk.providers import Check
from nls_sdk.worker.vllm_command import executable

from .run import unusable

_GB = 1e9
_LITTLE_DISK = 5 * _GB
_LITTLE_MEMORY = 4 * _GB
_TOLD = ("torch", "transformers", "trl", "peft")


@frozen
class Gpu:
    """An NVIDIA GPU.

    Attributes:
        uuid: What CUDA knows it by, whatever order it counts in.
        description: `NAME, MEMORY MiB`.
    """

    uuid: str
    description: str


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs that CUDA_VISIBLE_DEVICES lets a worker see, in its order."""
    found = _installed_gpus()
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return found
    seen = []
    for name in filter(None, (name.strip() for name in wanted.split(","))):
        seen += [gpu for i, gpu in enumerate(found) if name == str(i) or gpu.uuid.startswith(name)]
        if name.startswith("MIG-"):
            seen.append(Gpu(name, "a part of a GPU"))
    return seen


def _installed_gpus() -> list[Gpu]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=uuid,name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.partition(",") for line in answer.stdout.splitlines() if line.strip()]
    return [Gpu(uuid.strip(), description.strip()) for uuid, _, description in rows]


def checks(home: Path, worker: Sequence[str] | None) -> Iterator[Check]:
    """Findings on the home folder, the disk, memory, the GPU, and what the worker needs.

    A command of the user's own may run jobs anywhere: this machine's memory and GPU say nothing of that.
    """
    yield _guard("home", lambda: _home(home))
    yield _guard("disk", lambda: _disk(home))
    if worker:
        yield _command(worker)
        return
    yield _guard("memory", _memory)
    seen = gpus()
    yield (
        Check("gpu", "ok", "; ".join(gpu.description for gpu in seen))
        if seen
        else Check(
            "gpu",
            "warning",
            "none seen: jobs run on the CPU",
            "Take a small base model (`--recipe demo` comes with one), or a provider with a GPU.",
        )
    )
    yield _guard("worker", _packages)
    yield _engine(bool(seen))


def _guard(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:
        return Check(name, "failed", f"{type(error).__name__}: {error}")


def _home(home: Path) -> Check:
    probe = home / f".probe-{os.getpid()}"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        told = unusable(home, error)
        return Check("home", "failed", told.message, told.hint)
    return Check("home", "ok", str(home))


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists())).free
    said = f"{free / _GB:.1f} GB free at {home}"
    if free < _LITTLE_DISK:
        return Check("disk", "warning", said, "Free space, or set NLS_HOME to a folder on a larger disk.")
    return Check("disk", "ok", said)


def _memory() -> Check:
    memory = psutil.virtual_memory()
    said = f"{memory.available / _GB:.1f} of {memory.total / _GB:.1f} GB free"
    if memory.available < _LITTLE_MEMORY:
        return Check("memory", "warning", said, "Close other programs, or take a smaller base model.")
    return Check("memory", "ok", said)


def _command(worker: Sequence[str]) -> Check:
    program = worker[0]
    if shutil.which(program) is None:
        return Check(
            "worker",
            "failed",
            f"{program}: there is no such command on this machine",
            "Install it, or name another in the provider's option `worker`.",
        )
    return Check(
        "worker",
        "warning",
        f"run by {program}: the memory, GPU and packages of where that runs are not looked at",
        "`nls-finetune dry-run` tries them.",
    )


def _packages() -> Check:
    missing = [name for name in _worker_packages() if not _is_installed(name)]
    if missing:
        fix = f"{sys.executable} -m pip install 'nls-sdk[worker]'"
        return Check("worker", "failed", f"not installed: {', '.join(missing)}", fix)
    return Check("worker", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in _TOLD))


def _worker_packages() -> list[str]:
    """What nls-sdk itself says its worker needs."""
    lines = metadata.requires("nls-sdk") or []
    return [re.split(r"[^\w.-]", line)[0] for line in lines if re.search(r"extra == .worker\b", line)]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _engine(gpu: bool) -> Check:
    if gpu and executable() is None:
        fix = f"{sys.executable} -m pip install 'nls-sdk[vllm]'"
        return Check("server", "warning", "vLLM is not installed: the worker's own, slower server runs", fix)
    return Check("server", "ok", "vLLM" if gpu else "the worker's own, for a CPU")
