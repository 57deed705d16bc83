"""The tiny base model that comes with this package, for a demo and for tests with no hub and no GPU."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nls_sdk.errors import NlsError

__all__ = ["DEMO_RECIPE", "TINY_BASE_NAME", "TinyBaseDamaged", "tiny_base"]

TINY_BASE_NAME = "nls-tiny-base"
"""What the model is called in reports and model cards."""

DEMO_RECIPE: dict[str, Any] = {
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "target_modules": "all-linear",
    "epochs": 1.0,
    "per_device_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "learning_rate": 8e-3,
    "lr_scheduler": "cosine",
    "warmup_ratio": 0.03,
    "weight_decay": 0.0,
    "max_length": 256,
    "dtype": "float32",
    "checkpoint_steps": 500,
    "logging_steps": 10,
    "seed": 42,
}
"""Keyword arguments of `nls_sdk.Recipe` for a fine-tune of the tiny base on two CPU cores.

Measured with as many examples as `nls_sdk.synthetic.write` makes by default.

`base_model` is left to the caller: ``Recipe(base_model=str(tiny_base()), **DEMO_RECIPE)``. So small a model
wants a far higher learning rate than a real one.
"""

_FOLDER = Path(__file__).parent / "tiny_base"
_SUMS = "SHA256SUMS.json"


class TinyBaseDamaged(NlsError):
    """A file of the tiny base model is missing or is not the one that was released."""


def tiny_base(folder: Path | None = None) -> Path:
    """Checks the model's files against their hashes and says where the model is.

    Args:
        folder: another folder of the same make, for tests.

    Returns:
        The folder, which `transformers` loads as it is.

    Raises:
        TinyBaseDamaged: a file is missing or differs; the message names it.
    """
    folder = folder or _FOLDER
    try:
        sums: dict[str, str] = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder / _SUMS, "cannot be read") from error
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file():
            raise _damaged(path, "is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise _damaged(path, "is not the released file: its SHA-256 differs")
    return folder


def _damaged(path: Path, what: str) -> TinyBaseDamaged:
    return TinyBaseDamaged(
        f"The tiny base model is damaged: {path} {what}.",
        hint="reinstall nls-sdk-local: pip install --force-reinstall --no-deps nls-sdk-local",
    )
