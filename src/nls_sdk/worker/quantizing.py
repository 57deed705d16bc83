"""FP8: a model's folder with its layers' weights in eight bits, as vLLM reads it.

Each matrix of a layer is divided by one scale, such that its largest element just fits (E4M3, up to 448);
activations are scaled by vLLM as they come. Embeddings, norms and the head stay as they are, and so does a
layer's matrix that is no projection, such as a router: the configuration names it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import ArtifactError

_FORMAT = {"quant_method": "fp8", "activation_scheme": "dynamic"}
_LARGEST = torch.finfo(torch.float8_e4m3fn).max


def quantize(folder: Path) -> int:
    """Quantize a model's folder in place. Returns how many bytes its weights have now.

    Raises:
        ArtifactError: It holds no weights that can be read, is quantized already, or has no projections.
    """
    config = folder / "config.json"
    values = json.loads(config.read_text("utf-8"))
    files = sorted(folder.glob("*.safetensors"))
    if not files or "quantization_config" in values:
        why = "is quantized already" if files else "holds no weights"
        raise ArtifactError(f"{folder}: the model {why}.")
    where: dict[str, str] = {}
    kept = ["lm_head"]
    size = 0
    for file in files:
        made = dict[str, torch.Tensor]()
        try:
            with safe_open(file, "pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118  # it is no mapping
                    made |= _quantized(name, tensors.get_tensor(name))
        except SafetensorError as error:
            raise ArtifactError(f"{file}: these are no weights: {error}.") from None
        kept += [name.removesuffix(".weight") for name, tensor in made.items() if _is_left(name, tensor)]
        # Aside first: what is not quantized may still be read from the file itself.
        aside = file.with_suffix(".fp8")
        save_file(made, aside, {"format": "pt"})
        aside.chmod(file.stat().st_mode)
        aside.replace(file)
        where |= dict.fromkeys(made, file.name)
        size += sum(tensor.nbytes for tensor in made.values())
    if not any(name.endswith("_scale") for name in where):
        raise ArtifactError(
            f"{folder}: the model has no layers with projections (`*_proj`), which alone are quantized.",
            hint="Export it as it is, and have vLLM quantize it at load: `ServeConfig(precision='fp8')`.",
        )
    index = folder / "model.safetensors.index.json"
    if index.exists():
        index.write_text(
            json.dumps({"metadata": {"total_size": size}, "weight_map": where}, indent=2), "utf-8"
        )
    stated = {**_FORMAT, "ignored_layers": kept}
    config.write_text(json.dumps({**values, "quantization_config": stated}, indent=2), "utf-8")
    return size


def _is_left(name: str, weight: torch.Tensor) -> bool:
    return ".layers." in name and weight.ndim == 2 and weight.dtype != torch.float8_e4m3fn


def _quantized(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    if not (name.endswith("_proj.weight") and ".layers." in name and weight.ndim == 2):
        return {name: weight}
    wide = weight.float()
    scale = wide.abs().max().clamp(min=1e-12) / _LARGEST
    return {
        name: (wide / scale).clamp(-_LARGEST, _LARGEST).to(torch.float8_e4m3fn),
        f"{name}_scale": scale.reshape(()),
    }
