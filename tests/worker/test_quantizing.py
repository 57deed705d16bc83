from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import make_model

from nls_sdk.errors import ArtifactError
from nls_sdk.worker.quantizing import quantize


def test_the_layers_are_in_eight_bits_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", dtype="bfloat16")
    before = load_file(folder / "model.safetensors")
    size = quantize(folder)
    after = load_file(folder / "model.safetensors")
    assert size == sum(tensor.nbytes for tensor in after.values()) < sum(t.nbytes for t in before.values())
    matrices = {name for name, tensor in after.items() if tensor.dtype == torch.float8_e4m3fn}
    assert {name.split(".")[-2] for name in matrices} == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    for name, tensor in before.items():
        if name not in matrices:
            assert torch.equal(after[name], tensor), name
            continue
        back = after[name].float() * after[f"{name}_scale"]
        # E4M3 has three bits of fraction: half a step is a sixteenth.
        error = (back - tensor.float()).abs() / tensor.float().abs().clamp(min=float(after[f"{name}_scale"]))
        assert float(error.max()) <= 1 / 16 + 1e-3, name
    settings = json.loads((folder / "config.json").read_text())["quantization_config"]
    assert (settings["quant_method"], settings["activation_scheme"]) == ("fp8", "dynamic")


def test_it_is_not_done_twice(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    quantize(folder)
    with pytest.raises(ArtifactError, match="quantized already"):
        quantize(folder)
