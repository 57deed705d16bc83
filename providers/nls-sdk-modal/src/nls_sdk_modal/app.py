"""What is deployed at Modal: images, Volumes, the functions of jobs, and the server of an endpoint.

An image's layers are ordered from heavy to light, every package in an exact version. The code of nls_sdk and
of this package comes last and is mounted when a container starts: changing it builds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import modal

import nls_sdk
from nls_sdk.artifacts import Artifact
from nls_sdk.tasks import Base, Serve

from . import remote
from .layout import CACHE, MOUNT, Attempt
from .options import Options

PYTHON = "3.12"
TORCH = "torch==2.13.0"
TRAINING = ("transformers==5.23.0", "trl==1.16.0", "peft==0.21.2", "accelerate==1.15.0", "datasets==5.2.0")
LIGHT = (
    "attrs==26.1.0",
    "google-re2==1.1.20251105",
    "importlib-metadata==10.2.0",
    "platformdirs==4.14.7",
    "stamina==26.1.0",
    "tomli-w==1.2.0",
)
JOBS_LIGHT = ("httpx==0.28.1", "msgspec==0.22.0", "openai==3.54.0", "safetensors==0.8.0")
"""What vLLM brings in versions of its own, and the jobs' image lacks."""

VLLM = "vllm==0.26.0"
WANDB = "wandb==0.31.0"
CUDA_IMAGE = "nvidia/cuda:13.0.1-devel-ubuntu24.04"

JOBS = {"train": "train", "dry-run": "dry_run", "merge": "merge"}
"""The function that does a task of each kind."""

SERVER = "vllm_serve"
OURS = {"managed-by": "nls-sdk"}

_NOT_SHIPPED = ("**/__pycache__/**", "**/*.pyc")
_RESUMED = frozenset({"train"})
_LONGEST_WINDOW = 1200
"""Seconds that Modal keeps an idle container at most."""


def image(*layers: Sequence[str], cuda: str = "") -> modal.Image:
    """An image with these layers of packages, then the light ones, then our code."""
    base = (
        modal.Image.from_registry(cuda, add_python=PYTHON).entrypoint([])
        if cuda
        else modal.Image.debian_slim(python_version=PYTHON)
    )
    for layer in (*layers, LIGHT):
        base = base.uv_pip_install(*layer)
    return base.add_local_python_source("nls_sdk", "nls_sdk_modal", ignore=list(_NOT_SHIPPED))


def jobs_app(options: Options, secrets: Collection[str]) -> modal.App:
    """The app whose functions train, try and merge.

    Clients whose code or options differ have apps of their own, so that none deploys over another's runs.

    Args:
        options: The provider's.
        secrets: Names of the secrets that are there.
    """
    version = code_version(options, secrets)
    app = modal.App(f"{options.app}-{version[:8]}", tags={**volume_tags(options), "nls-code": version})
    tracking = (WANDB,) if "wandb-secret" in secrets else ()
    built = image((TORCH,), TRAINING, (*JOBS_LIGHT, *tracking))
    for name in JOBS.values():
        retries = options.retries if name in _RESUMED else min(options.retries, 1)
        app.function(
            name=name,
            image=built,
            gpu=options.gpu or None,
            timeout=options.timeout,
            retries=modal.Retries(max_retries=retries, initial_delay=0.0) if retries else None,
            single_use_containers=True,
            region=options.region or None,
            include_source=False,
            **_surroundings(options, secrets),
        )(remote.do)
    return app


def serve_app(
    options: Options, secrets: Collection[str], attempt: Attempt, task: Serve, *, port: int
) -> modal.App:
    """The app of one endpoint, bound to one attempt of one run.

    Args:
        options: The provider's.
        secrets: Names of the secrets that are there.
        attempt: Who serves.
        task: What it serves. After its `idle_timeout`, where that is sooner, the container goes.
        port: Where the server listens in its container.
    """
    tags = {**volume_tags(options), **attempt_tags(attempt), "nls-model": _model_tag(task.model)}
    app = modal.App(options.serve_app, tags=tags)
    window = int(min(options.scaledown_window, task.config.idle_timeout or _LONGEST_WINDOW))
    env = {remote.RUN_ENV: attempt.run_id, remote.ATTEMPT_ENV: str(attempt.number)}
    common: dict[str, Any] = {
        "name": SERVER,
        "image": image((VLLM,), cuda=CUDA_IMAGE),
        "gpu": options.gpu or None,
        "min_containers": 0,
        "max_containers": options.max_containers,
        "scaledown_window": max(window, 2),
        "include_source": False,
        "enable_memory_snapshot": options.snapshot,
        "experimental_options": {"enable_gpu_snapshot": True} if options.snapshot and options.gpu else None,
        **_surroundings(options, secrets, env),
    }
    if options.router == "server":
        app.server(
            port=port,
            target_concurrency=options.concurrency,
            max_concurrency=options.concurrency,
            startup_timeout=options.startup_timeout,
            routing_region=options.routing_region,
            compute_region=options.region or None,
            exit_grace_period=20,
            unauthenticated=not options.proxy_auth,
            **common,
        )(remote.SnapshotServe if options.snapshot else remote.VllmServe)
        return app
    served: Any = modal.concurrent(max_inputs=options.concurrency)(
        modal.web_server(
            port=port,
            startup_timeout=float(options.startup_timeout),
            requires_proxy_auth=options.proxy_auth,
        )(remote.vllm_serve)
    )
    app.function(timeout=options.timeout, region=options.region or None, **common)(served)
    return app


def volume_tags(options: Options) -> dict[str, str]:
    """What says that an app is ours, and which Volume tells of its runs."""
    return {**OURS, "nls-volume": options.volume}


def attempt_tags(attempt: Attempt) -> dict[str, str]:
    """What says whose an endpoint's app is."""
    return {"nls-run": _tag(attempt.run_id), "nls-attempt": str(attempt.number)}


def _surroundings(
    options: Options, secrets: Collection[str], env: dict[str, str] | None = None
) -> dict[str, Any]:
    """Cores, memory, Volumes, secrets and variables, the same for jobs and endpoints."""
    environment = options.environment or None

    def volume(name: str) -> modal.Volume:
        return modal.Volume.from_name(name, environment_name=environment, create_if_missing=True, version=2)

    return {
        # Reserved and capped at that: what a machine costs is known before it runs.
        "cpu": (options.cpu, options.cpu),
        "memory": (options.memory, options.memory),
        "volumes": {MOUNT: volume(options.volume), CACHE: volume(options.cache)},
        "secrets": [modal.Secret.from_name(name, environment_name=environment) for name in sorted(secrets)],
        "env": {
            remote.VOLUME_ENV: options.volume,
            "HF_HOME": f"{CACHE}/huggingface",
            "VLLM_CACHE_ROOT": f"{CACHE}/vllm",
            "TORCHINDUCTOR_CACHE_DIR": f"{CACHE}/inductor",
            "TRITON_CACHE_DIR": f"{CACHE}/triton",
            **(env or {}),
        },
    }


def code_version(options: Options, secrets: Collection[str]) -> str:
    """What decides how jobs are deployed: our code, the packages, the options. A tag of 16 characters."""
    digest = hashlib.sha256()
    for package in (Path(nls_sdk.__file__).parent, Path(__file__).parent):
        for path in sorted(package.rglob("*.py")):
            digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    told = (
        options.gpu,
        options.cpu,
        options.memory,
        options.retries,
        options.timeout,
        options.region,
        options.volume,
        options.cache,
    )
    digest.update(
        repr(
            (TORCH, TRAINING, LIGHT, JOBS_LIGHT, WANDB, PYTHON, modal.__version__, told, sorted(secrets))
        ).encode()
    )
    return digest.hexdigest()[:16]


def _model_tag(model: Base) -> str:
    """The start of the model's SHA-256, or its id on the hub."""
    return model.digest[:32] if isinstance(model, Artifact) else _tag(model.replace("/", "."))


def _tag(text: str) -> str:
    """A tag's value holds at most 63 characters."""
    return text if len(text) <= 63 else f"{text[:46]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
