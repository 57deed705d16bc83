from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
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


def saved(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({name.replace("__", "."): tensor for name, tensor in tensors.items()}, folder / "m.safetensors")
    return folder


def test_a_matrix_of_a_layer_that_is_no_projection_is_named_as_left(tmp_path: Path) -> None:
    up, router, norm = "model__layers__0__up_proj__weight", "model__layers__0__gate__weight", "model__norm"
    folder = saved(tmp_path / "m", **{up: torch.ones(2, 2), router: torch.ones(2, 2), norm: torch.ones(2)})
    quantize(folder)
    settings = json.loads((folder / "config.json").read_text())["quantization_config"]
    assert settings["ignored_layers"] == ["lm_head", "model.layers.0.gate"]


def test_a_model_of_other_matrices_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", transformer__layers__0__fc1__weight=torch.ones(2, 2))
    with pytest.raises(ArtifactError, match="no layers with projections"):
        quantize(folder)
    assert (folder / "config.json").read_text() == "{}"


def test_what_are_no_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "m.safetensors").write_bytes(b"weights")
    with pytest.raises(ArtifactError, match=r"m\.safetensors: these are no weights"):
        quantize(tmp_path)
