"""Merge: a base model and its adapter become a model that any server loads."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from transformers import AutoConfig

from ..errors import RunFailed
from ..events import Log, Succeeded
from ..rundir import RunDirectory, locate
from ..tasks import Merge
from .devices import DeviceName, choose_device, peak_memory
from .fidelity import Answer, Fidelity, answers, cause, check_prompts, compare, questions
from .files import whole_folder
from .loading import fetch, load_model, load_tokenizer
from .telling import Tell
from .template import bake_defaults

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx", ".*")
_TEMPLATE_FILE = "chat_template.jinja"


def merge(directory: RunDirectory, task: Merge, tell: Tell, device: DeviceName = "auto") -> Succeeded:
    """Merge, and check that the saved model answers as base and adapter do together.

    Returns:
        The output `model`; `max_difference` of its logits from those of base and adapter; how many
        answers were compared, `answers_compared`, and changed, `answers_changed`; `seconds`; `peak_memory`.

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
        found = _check(folder, base, tokenizer, expected, chosen)
        tell(
            Log(
                f"merged; over {found.answers} answers its logits differ by {found.max_difference:.2g} "
                f"at most, and {found.changed} answers change where two tokens were as good as even"
            )
        )
    metrics = {
        "max_difference": found.max_difference,
        "answers_compared": float(found.answers),
        "answers_changed": float(found.changed),
        "seconds": time.monotonic() - started,
        **peak_memory(),
    }
    return directory.write_done({"model": directory.output("model")}, metrics)


def _merge_weights(
    base: Path,
    adapter: Path,
    tokenizer: Any,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype | Literal["auto"],
) -> list[Answer]:
    """Save the merged weights. Returns what base and adapter answer together."""
    model = load_model(base, dtype, device)
    try:
        tuned = PeftModel.from_pretrained(model, adapter)
        expected = answers(tuned, tokenizer, questions(device))
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


def _check(
    folder: Path, base: Path, tokenizer: Any, expected: Sequence[Answer], device: torch.device
) -> Fidelity:
    """Load the saved folder as a server does, and compare how it is asked and what it answers."""
    model = load_model(folder, "auto", device)
    rows = model.get_input_embeddings().weight.shape[0]
    check_prompts(folder, tokenizer, load_tokenizer(folder), rows, [one.question for one in expected])
    try:
        return compare(model, expected)
    except RunFailed as error:
        reason = cause(folder, AutoConfig.from_pretrained(base), model)
        raise RunFailed(
            f"{error.message} Cause: {reason}.",
            hint="The run's adapter is untouched; please report this with the base model's name.",
        ) from None


def _summary(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:400] or type(error).__name__
