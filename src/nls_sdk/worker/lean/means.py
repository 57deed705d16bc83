"""The means of speed: what each is, and where it cannot work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module

import attrs
import torch
from attrs import frozen

from ...errors import ConfigError
from ...recipe import Recipe, refuse_unknown

WITHOUT = "NLS_LEAN_WITHOUT"
"""The environment variable that names means to leave out, with commas between."""


@frozen(kw_only=True)
class Means:
    """What the lean step uses beyond its mathematics; none changes what is learnt.

    Attributes:
        shared: Tokens that all rows begin with go through the model once in a batch.
        joined: The adapters' B stand beside the frozen weights: one product in place of several.
        flash: Attention is flash attention over rows of their own lengths.
        compiled: What stands between matrix products is compiled into few kernels.
        graphs: A step is recorded as a CUDA graph and replayed, so that the GPU does not wait for the host.
    """

    shared: bool
    joined: bool
    flash: bool
    compiled: bool
    graphs: bool


def choose(device: torch.device, dtype: torch.dtype, recipe: Recipe) -> tuple[Means, list[str]]:
    """The means that work here, and the reasons against the others.

    Raises:
        ConfigError: The environment variable names what is no means.
    """
    reasons = dict(_reasons(device, dtype, recipe))
    names = [attribute.name for attribute in attrs.fields(Means)]
    left_out = [name.strip() for name in os.environ.get(WITHOUT, "").split(",") if name.strip()]
    refuse_unknown(left_out, names, f"The environment variable {WITHOUT}", ConfigError)
    reasons |= dict.fromkeys(left_out, f"{WITHOUT} names it")
    if "flash" in reasons:
        reasons.setdefault("graphs", "without flash attention a batch's rows decide what is done")
    means = Means(**{name: name not in reasons for name in names})
    if device.type == "cpu":
        names = left_out  # That there is no GPU is no news.
    return means, [f"{name}: {reasons[name]}" for name in names if name in reasons]


def _reasons(device: torch.device, dtype: torch.dtype, recipe: Recipe) -> Iterator[tuple[str, str]]:
    if device.type != "cuda":
        for name in ("joined", "flash", "compiled", "graphs"):
            yield name, "there is no GPU"
        return
    if dtype not in (torch.bfloat16, torch.float16):
        yield "flash", f"it does not compute in {str(dtype).removeprefix('torch.')}"
    elif torch.cuda.get_device_capability(device) < (8, 0):
        yield "flash", f"{torch.cuda.get_device_name(device)} is too old for it"
    if recipe.lora_r % 8:
        yield "joined", "lora_r is not a multiple of 8"
    try:
        import_module("triton")
    except ImportError:
        yield "compiled", "triton is not installed"
