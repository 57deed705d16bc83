from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import make_model
from worker_home import Home

from nls_sdk import Recipe
from nls_sdk.errors import RunFailed
from nls_sdk.events import Event, Succeeded
from nls_sdk.prompt import prompt
from nls_sdk.tasks import Merge, Train
from nls_sdk.worker.merging import merge
from nls_sdk.worker.training import train


def _trained(home: Home, recipe: Recipe) -> Any:
    task = Train(name="a", base=home.base, data=home.data, recipe=attrs.evolve(recipe, max_steps=2))
    return train(home.write(task), task, lambda _: None).outputs["adapter"]


def _merge(home: Home, adapter: Any, told: list[Event]) -> tuple[Path, Succeeded]:
    task = Merge(name="a", base=home.base, adapter=adapter)
    end = merge(home.write(task), task, told.append)
    return home.path / end.outputs["model"].path, end


def _types(folder: Path) -> dict[str, str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118  # it is no mapping


@pytest.mark.parametrize(("dtype", "tied"), [("float32", True), ("bfloat16", True), ("bfloat16", False)])
def test_only_the_weights_and_the_template_differ_from_the_base(
    home: Home, recipe: Recipe, told: list[Event], dtype: str, tied: bool
) -> None:
    base = make_model(home.path / "artifacts" / "other", dtype=dtype, tied=tied)
    home = attrs.evolve(home, base=home.store(base))
    folder, end = _merge(home, _trained(home, recipe), told)

    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (base / name).read_bytes(), name
    assert _types(folder) == _types(base)
    assert ("lm_head.weight" in _types(folder)) is not tied
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    changed = {name.split(".")[-2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert 0 <= end.metrics["max_difference"] < (1e-4 if dtype == "float32" else 0.1)


def test_weights_are_merged_in_what_they_were_trained_in(
    home: Home, recipe: Recipe, told: list[Event]
) -> None:
    base = make_model(home.path / "artifacts" / "other", dtype="bfloat16")
    home = attrs.evolve(home, base=home.store(base))
    task = Merge(name="a", base=home.base, adapter=_trained(home, recipe), dtype="float32")
    end = merge(home.write(task), task, told.append)
    folder = home.path / end.outputs["model"].path
    assert set(_types(folder).values()) == {"F32"}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    assert 0 <= end.metrics["max_difference"] < 1e-4


def test_the_served_template_has_thinking_off(home: Home, recipe: Recipe, told: list[Event]) -> None:
    from transformers import AutoTokenizer

    folder, _ = _merge(home, _trained(home, recipe), told)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(prompt("go files"), add_generation_prompt=True, tokenize=False)
    assert text.endswith("<think>\n\n</think>\n\n")


def test_a_template_inside_the_tokenizers_settings_is_baked_too(
    home: Home, recipe: Recipe, told: list[Event]
) -> None:
    base = make_model(home.path / "artifacts" / "older")
    settings = base / "tokenizer_config.json"
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "chat_template": template}))
    home = attrs.evolve(home, base=home.store(base))
    folder, _ = _merge(home, _trained(home, recipe), told)
    inside = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
    assert inside == (folder / "chat_template.jinja").read_text() != template


def test_a_broken_adapter_leaves_no_model(home: Home, recipe: Recipe, told: list[Event]) -> None:
    adapter = _trained(home, recipe)
    file = home.path / adapter.path / "adapter_model.safetensors"
    weights = load_file(file)
    next(iter(weights.values()))[0] = torch.nan
    save_file(weights, file)
    with pytest.raises(RunFailed, match=r"cannot be merged into .*NaN"):
        _merge(home, adapter, told)
    assert sorted(path.name for path in (home.path / "runs" / "a.merge").iterdir()) == ["task.json"]


def test_another_models_adapter_is_refused(home: Home, recipe: Recipe, told: list[Event]) -> None:
    adapter = _trained(home, recipe)
    file = home.path / adapter.path / "adapter_model.safetensors"
    save_file({name: tensor.repeat(2, 2) for name, tensor in load_file(file).items()}, file)
    with pytest.raises(RunFailed, match=r"cannot be merged into .*size mismatch") as caught:
        _merge(home, adapter, told)
    assert "this base model's adapter" in caught.value.hint
