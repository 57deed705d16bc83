"""vLLM's command: where it is, and what a `ServeConfig` is in its terms."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ..prompt import CHAT_TEMPLATE_KWARGS
from ..serve_config import ServeConfig
from .server_time import ServerTime

_NGRAM = {"prompt_lookup_max": 4, "prompt_lookup_min": 1}
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
        *(executable() or "vllm", "serve", str(model)),
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
    tokens = {"method": config.speculation, "num_speculative_tokens": config.speculative_tokens}
    more = _NGRAM if config.speculation == "ngram" else {}
    return ["--speculative-config", json.dumps({**tokens, **more})]


def _graphs(config: ServeConfig) -> list[str]:
    if not config.graph_batch:
        return ["--enforce-eager"]
    # A graph serves every smaller step, padded: the larger, the coarser.
    every = (1, 2, 4, *range(8, 64, 8), *range(64, 256, 16), *range(256, config.graph_batch, 32))
    sizes = [size for size in every if size < config.graph_batch]
    compilation = {"cudagraph_mode": "FULL", "cudagraph_capture_sizes": [*sizes, config.graph_batch]}
    return ["--compilation-config", json.dumps(compilation)]


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
    return [*quiet, *several, "--middleware", f"{ServerTime.__module__}.{ServerTime.__qualname__}"]
