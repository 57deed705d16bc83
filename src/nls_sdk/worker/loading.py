"""Load a base model and its tokenizer from a folder or from the hub, with errors that say what to do."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ProviderError, ProviderUnavailable, RecipeError, RunFailed
from ..events import Log
from .failures import memory_numbers
from .telling import Tell

if TYPE_CHECKING:
    import torch

_PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]


def fetch(source: str, tell: Tell) -> Path:
    """The folder of a model: `source` itself, or what the hub has under that id.

    A download whose connection breaks is taken up a few times; after that, the files that arrived whole stay.

    Raises:
        RecipeError: There is no such folder or hub model, or it is gated.
        ProviderUnavailable: The hub did not answer or the download broke off.
    """
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RecipeError(f"{source}: the folder holds no model: config.json is missing.")
        return folder
    if folder.is_absolute():
        raise RecipeError(f"{source}: no such folder.")
    tell(Log(f"looking up {source} on the hub"))
    return _download(source)


def _download(model_id: str) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(model_id, allow_patterns=_PATTERNS))
    except errors.GatedRepoError:
        raise RecipeError(
            f"{model_id}: the model is gated.",
            hint="Accept its licence on its hub page, and set HF_TOKEN to a token that may read it.",
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise RecipeError(
            f"{model_id}: neither a folder here nor a model on the hub.",
            hint="Check the spelling; a private model needs HF_TOKEN.",
        ) from None
    except Exception as error:  # Its HTTP library, and so the errors, change with its version.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        status = getattr(getattr(error, "response", None), "status_code", None)
        what = f"the hub answered {status}" if status else "the hub cannot be reached"
        raise ProviderUnavailable(
            f"{model_id}: the download was interrupted, or {what} ({type(error).__name__}).",
            hint="Start the run again: the files that arrived whole are kept.",
        ) from None


def context_length(folder: Path) -> int:
    """Tokens of the longest text that the model can read.

    Raises:
        ProviderError: The folder's files are not a model.
    """
    from transformers import AutoConfig

    try:
        return int(AutoConfig.from_pretrained(folder).max_position_embeddings)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ProviderError(f"{folder}: its configuration cannot be read: {_first_line(error)}") from error


def load_tokenizer(folder: Path) -> Any:
    """The model's tokenizer.

    Raises:
        ProviderError: The folder's files are not a tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ProviderError(f"{folder}: its tokenizer cannot be loaded: {_first_line(error)}") from error


def load_model(folder: Path, dtype: torch.dtype | Literal["auto"], device: torch.device) -> Any:
    """The model, on the device. `auto` keeps the dtype it was saved in.

    Raises:
        ProviderError: The folder's files are not a causal language model.
        RunFailed: The GPU has no room for it.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        if device.type == "cuda":  # Straight there, and not by way of main memory.
            return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": device})
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    except torch.OutOfMemoryError as error:
        raise RunFailed(
            f"The GPU ran out of memory{memory_numbers(str(error))}; it was to hold the weights of {folder}.",
            hint="End what else holds its memory, or choose a GPU with more, or a smaller model.",
        ) from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ProviderError(f"{folder}: the model cannot be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
