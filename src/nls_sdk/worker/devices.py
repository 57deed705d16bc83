"""What the work runs on, and what its weights are held in."""

from __future__ import annotations

import re
import resource
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import ConfigError, RecipeError
from .peers import rank, world_size

if TYPE_CHECKING:
    import torch

DeviceName: TypeAlias = Literal["auto", "cpu", "cuda"]
"""`auto` takes the GPU where there is one; `cuda` demands it."""


def choose_device(wanted: DeviceName = "auto") -> torch.device:
    """The device to work on: of several processes that share a training, each has its own GPU.

    Raises:
        ConfigError: A GPU is demanded, and there is none; or there are fewer than processes.
    """
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ConfigError(
            "A GPU is demanded, and this machine has none that torch can use.",
            hint=f"torch {torch.__version__}: check `nvidia-smi` and that torch is a CUDA build, or choose "
            "another machine.",
        )
    if not available or wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.device_count() < world_size():
        raise ConfigError(
            f"{world_size()} processes are to share the training, and the machine shows "
            f"{torch.cuda.device_count()} GPU(s).",
            hint="Ask for as many processes as it has GPUs.",
        )
    return torch.device("cuda", rank())


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """What the weights are held in; see `Recipe.dtype`.

    Raises:
        RecipeError: bfloat16 is asked for on a GPU that does not have it.
    """
    import torch

    lacks = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "bfloat16" and lacks:
        raise RecipeError(
            f"dtype = 'bfloat16', but {torch.cuda.get_device_name(device)} does not have it.",
            hint="Train with dtype = 'float32', or 'auto' to take what the machine has.",
        )
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" and not lacks else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def describe(device: torch.device) -> str:
    """The device in words."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the CPU ({torch.get_num_threads()} threads)"


_PEAKS = {
    "B200": 2250e12,
    "GB200": 2250e12,
    "H200": 989e12,
    "GH200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L4": 121e12,
    "4090": 165e12,
}
"""FLOP/s of dense bfloat16 products, by words of the GPU's name; from the vendor's data sheets."""


def peak_rate(device: torch.device) -> float | None:
    """FLOP/s that the device can do at most in bfloat16; None where that is not known."""
    if device.type != "cuda":
        return None
    return peak_of(describe(device))


def peak_of(name: str) -> float | None:
    """The same for a GPU of this name."""
    return next((rate for words, rate in _PEAKS.items() if re.search(rf"\b{words}\b", name)), None)


def peak_memory() -> dict[str, float]:
    """The most that this process has held so far, in bytes.

    Returns:
        `peak_memory_bytes` of main memory and, where a GPU was used, `peak_gpu_bytes` of its tensors.
    """
    import torch

    unit = 1 if sys.platform == "darwin" else 1024
    peak: dict[str, float] = {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if torch.cuda.is_available():
        peak["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
    return peak
