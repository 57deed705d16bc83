"""vLLM's command: where it is, and what a `ServeConfig` is in its terms."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from ..prompt import CHAT_TEMPLATE_KWARGS
from ..serve_config import ServeConfig
from .drafter import Drafter
from .server_time import ServerTime

_NGRAM = {"method": "ngram", "prompt_lookup_max": 4, "prompt_lookup_min": 1}
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@frozen
class LocalAdapter:
    """An adapter in a folder of this machine.

    Attributes:
        name: Its name in the API.
        path: Its folder, in PEFT's format.
    """

    name: str
    path: Path

    @property
    def rank(self) -> int:
        """The rank of its matrices."""
        return int(json.loads((self.path / "adapter_config.json").read_text("utf-8"))["r"])


def executable() -> str | None:
    """Where vLLM is: beside this Python, whose environment need not be activated, or on the PATH."""
    folders = [str(Path(sys.executable).parent), *os.get_exec_path()]
    return shutil.which("vllm", path=os.pathsep.join(folders))


def _program() -> list[str]:
    if find_spec("vllm") is not None:
        return [sys.executable, "-m", "nls_sdk.worker.vllm_start"]
    return [executable() or "vllm"]


def command(
    model: Path,
    config: ServeConfig,
    port: int,
    host: str,
    adapters: tuple[LocalAdapter, ...] = (),
    served_as: str = "",
) -> list[str]:
    """The command line of the server; the API key is not in it.

    Args:
        model: The model's folder.
        config: How it is served.
        port: Where it listens.
        host: The address it listens on.
        adapters: Adapters served beside the model.
        served_as: A second name of the model in the API; the first stands in its answers.
    """
    return [
        *(*_program(), "serve", str(model)),
        *("--host", host, "--port", str(port)),
        *("--served-model-name", config.model_name, *([served_as] if served_as else [])),
        *("--max-model-len", str(config.max_length)),
        *("--max-num-seqs", str(config.max_clients)),
        *("--gpu-memory-utilization", str(config.gpu_memory)),
        *("--default-chat-template-kwargs", json.dumps(CHAT_TEMPLATE_KWARGS)),
        "--enable-prefix-caching" if config.prefix_caching else "--no-enable-prefix-caching",
        *("--structured-outputs-config", json.dumps({"backend": "guidance"})),
        "--no-enable-flashinfer-autotune",
        *_precision(config),
        *_speculation(config),
        *_graphs(config),
        *_adapters(adapters),
        *_http(config),
    ]


def environment(config: ServeConfig, caches: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The server's environment variables.

    Args:
        config: How it is served.
        caches: Where what is compiled is kept for the next start.
        given: What the user set, which holds where it names a cache.
    """
    kept = {
        "VLLM_CACHE_ROOT": str(caches / "vllm"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "compiled"),
    }
    # A plan of the memory spares the next start its measuring. FlashInfer's sampler is compiled for minutes
    # at a first start, and greedy answers have no use for it.
    sooner = {"VLLM_ENABLE_STARTUP_PLAN": "1", "VLLM_USE_FLASHINFER_SAMPLER": "0"}
    # A forked engine finds what its parent imported, which takes longer than anything else of a warm start.
    sooner |= {"VLLM_WORKER_MULTIPROC_METHOD": "fork"}
    exact = {"VLLM_BATCH_INVARIANT": "1"} if config.batch_invariant else {}
    return {**kept, **sooner, "VLLM_NO_USAGE_STATS": "1", **given, **exact}


def _precision(config: ServeConfig) -> list[str]:
    match config.precision:
        case "fp8":
            return ["--quantization", "fp8"]
        case "bfloat16":
            return ["--dtype", "bfloat16"]
        case "auto":
            return []


def _speculation(config: ServeConfig) -> list[str]:
    if config.speculation == "off":
        return []
    ours = {"method": "custom_class", "model": _qualified(Drafter)}
    method = ours if config.speculation == "answers" else _NGRAM
    return [
        "--speculative-config",
        json.dumps({**method, "num_speculative_tokens": config.speculative_tokens}),
    ]


def _graphs(config: ServeConfig) -> list[str]:
    if not config.graph_batch:
        return ["--enforce-eager"]
    # A graph serves every smaller step, padded: the larger, the coarser. With speculation vLLM takes
    # multiples of what a client's answer takes.
    each = 1 if config.speculation == "off" else 1 + config.speculative_tokens
    every = (1, 2, 4, *range(8, 64, 8), *range(64, 256, 16), *range(256, config.graph_batch, 32))
    largest = max(each, config.graph_batch // each * each)
    sizes = sorted({size for tokens in every if (size := -(-tokens // each) * each) < largest} | {largest})
    compilation = {"cudagraph_mode": "FULL", "cudagraph_capture_sizes": sizes}
    # A larger step would go without a graph, which takes as long as five that have one.
    most = max(largest, config.max_clients)
    return ["--compilation-config", json.dumps(compilation), "--max-num-batched-tokens", str(most)]


def _adapters(adapters: tuple[LocalAdapter, ...]) -> list[str]:
    if not adapters:
        return []
    most = max(adapter.rank for adapter in adapters)
    rank = next((rank for rank in _RANKS if rank >= most), most)
    return [
        *("--enable-lora", "--max-lora-rank", str(rank), "--max-loras", str(len(adapters))),
        *("--lora-modules", *(f"{adapter.name}={adapter.path}" for adapter in adapters)),
    ]


def _http(config: ServeConfig) -> list[str]:
    quiet = [] if config.log_requests else ["--uvicorn-log-level", "warning", "--disable-uvicorn-access-log"]
    several = ["--api-server-count", str(config.frontends)] if config.frontends > 1 else []
    return [*quiet, *several, "--middleware", _qualified(ServerTime)]


def _qualified(named: type) -> str:
    return f"{named.__module__}.{named.__qualname__}"
