"""Merge: a base model and its adapter become a model that any server loads."""

from __future__ import annotations

import gc
import json
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel

from ..errors import RunFailed
from ..events import Log, Succeeded
from ..prompt import CHAT_TEMPLATE_KWARGS, prompt
from ..rundir import RunDirectory, locate
from ..tasks import Merge
from .devices import DeviceName, choose_device, peak_memory
from .files import whole_folder
from .loading import fetch, load_model, load_tokenizer
from .telling import Tell
from .template import bake_defaults

_PROBES = (
    "python files with async functions",
    "commits by alice about flaky tests since last month",
    "where is the TODO about retries in github.com/acme/api?",
)
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""The largest difference between logits, as a share of the largest logit.

In bfloat16 every merged weight is rounded to 8 bits, which alone moves logits by a percent or two.
"""
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx", ".*")
_TEMPLATE_FILE = "chat_template.jinja"


def merge(directory: RunDirectory, task: Merge, tell: Tell, device: DeviceName = "auto") -> Succeeded:
    """Merge, and check that the saved model answers as base and adapter do together.

    Returns:
        The output `model`; `max_difference` of its logits from those of base and adapter; `seconds`;
        `peak_memory`.

    Raises:
        NlsError: They cannot be merged, or the result differs.
    """
    started = time.monotonic()
    chosen = choose_device(device)
    base = fetch(directory.resolve(task.base), tell)
    tokenizer = load_tokenizer(base)
    with whole_folder(directory.path / "model") as folder:
        dtype: torch.dtype | Literal["auto"] = "auto" if task.dtype == "auto" else getattr(torch, task.dtype)
        adapter = locate(directory.home, task.adapter)
        expected = _merge_weights(base, adapter, tokenizer, folder, chosen, dtype)
        _carry_over(base, tokenizer, folder)
        if task.dtype != "auto":
            _state_dtype(folder / "config.json", task.dtype)
        gc.collect()
        difference = _check(folder, tokenizer, expected, chosen)
        tell(Log(f"merged; its logits differ by {difference:.2g} at most"))
    metrics = {"max_difference": difference, "seconds": time.monotonic() - started, **peak_memory()}
    return directory.write_done({"model": directory.output("model")}, metrics)


def _merge_weights(
    base: Path,
    adapter: Path,
    tokenizer: Any,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype | Literal["auto"],
) -> list[torch.Tensor]:
    """Save the merged weights. Returns the logits of base and adapter on the probes."""
    model = load_model(base, dtype, device)
    try:
        tuned = PeftModel.from_pretrained(model, adapter)
        expected = _logits(tuned, tokenizer)
        merged = tuned.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise RunFailed(
            f"The adapter {adapter} cannot be merged into {base}: {_summary(error)}",
            hint="Is it this base model's adapter, and did its training end well? Otherwise train again.",
        ) from error
    merged.save_pretrained(folder)
    return expected


def _carry_over(base: Path, tokenizer: Any, folder: Path) -> None:
    """Copy everything but the weights from the base, byte for byte, and bake thinking-off into the template.

    Saving them anew would write them for this version of transformers, and a server may have another.
    """
    for source in base.iterdir():
        if source.is_file() and not any(source.match(pattern) for pattern in _WEIGHTS):
            shutil.copyfile(source, folder / source.name)
    template = bake_defaults(tokenizer.get_chat_template())
    (folder / _TEMPLATE_FILE).write_text(template, "utf-8")
    settings = folder / "tokenizer_config.json"
    values = json.loads(settings.read_text("utf-8"))
    if "chat_template" in values:
        values["chat_template"] = template
        settings.write_text(json.dumps(values, indent=2, ensure_ascii=False), "utf-8")


def _state_dtype(config: Path, dtype: str) -> None:
    """Say in the configuration what the weights are held in; else a loader rounds them as the base's."""
    values = json.loads(config.read_text("utf-8"))
    name = "torch_dtype" if "torch_dtype" in values else "dtype"
    if values.get(name) != dtype:
        config.write_text(json.dumps({**values, name: dtype}, indent=2, ensure_ascii=False), "utf-8")


def _check(folder: Path, tokenizer: Any, expected: list[torch.Tensor], device: torch.device) -> float:
    """Load the saved folder as a server does and compare its logits. Returns the largest difference."""
    model = load_model(folder, "auto", device)
    tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE[torch.bfloat16])
    worst = 0.0
    for probe, got, wanted in zip(_PROBES, _logits(model, tokenizer), expected, strict=True):
        difference = float((got - wanted).abs().max())
        allowed = tolerance * float(wanted.abs().max())
        if not difference <= allowed:
            raise RunFailed(
                f"The merged model does not answer as base and adapter do: for {probe!r} its logits differ "
                f"by {difference:.3g}, and {allowed:.3g} is allowed.",
                hint="The run's adapter is untouched; please report this with the base model's name.",
            )
        worst = max(worst, difference)
    return worst


@torch.no_grad()
def _logits(model: Any, tokenizer: Any) -> list[torch.Tensor]:
    """The logits of each probe's prompt, (tokens, vocabulary), in float32 on the CPU."""
    model.eval()
    logits = []
    for probe in _PROBES:
        ids = tokenizer.apply_chat_template(
            prompt(probe), add_generation_prompt=True, return_tensors="pt", **CHAT_TEMPLATE_KWARGS
        )["input_ids"]
        logits.append(model(ids.to(model.device)).logits[0].float().cpu())
    return logits


def _summary(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:400] or type(error).__name__
