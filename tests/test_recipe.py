from pathlib import Path

import attrs
import pytest

from nls_sdk import Recipe
from nls_sdk.errors import RecipeError


def test_the_defaults_are_those_that_were_asked_for() -> None:
    recipe = Recipe()
    assert recipe.base_model == "Qwen/Qwen3-1.7B"
    assert (recipe.lora_r, recipe.lora_alpha, recipe.target_modules) == (16, 32, "all-linear")
    assert (recipe.epochs, recipe.per_device_batch_size, recipe.gradient_accumulation_steps) == (3, 4, 2)
    assert (recipe.learning_rate, recipe.lr_scheduler, recipe.dtype) == (2e-4, "cosine", "bfloat16")
    assert recipe.effective_batch_size == 8


def test_toml_gives_back_an_equal_recipe(tmp_path: Path) -> None:
    recipe = Recipe(base_model='odd "name"\\', learning_rate=1e-5, epochs=0.5, seed=7)
    assert Recipe.from_toml(recipe.to_toml(tmp_path / "recipe.toml")) == recipe


def test_whole_numbers_serve_as_fractions(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("epochs = 2")
    assert Recipe.from_toml(file).epochs == 2.0


def test_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(RecipeError, match="unknown key 'learning_rates'") as caught:
        Recipe.from_mapping({"learning_rates": 1e-4})
    assert "'learning_rate'" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_r", 0),
        ("lora_r", 2.5),
        ("lora_r", "16"),
        ("epochs", 0),
        ("epochs", -1),
        ("learning_rate", 0),
        ("learning_rate", 3),
        ("lr_scheduler", "sine"),
        ("dtype", "float16"),
        ("base_model", " "),
        ("seed", -1),
        ("max_length", 1),
        ("warmup_ratio", 1.0),
        ("gradient_checkpointing", "yes"),
        ("target_modules", " "),
        ("target_modules", "q_proj,"),
        ("target_modules", "all-linear, q_proj"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(RecipeError, match=key):
        Recipe.from_mapping({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", float("nan")),
        ("epochs", float("inf")),
        ("max_steps", 1e3),
        ("lora_r", True),
        ("seed", "1"),
    ],
)
def test_python_is_held_to_the_same_types_as_toml(key: str, value: object) -> None:
    with pytest.raises(RecipeError, match=f"Recipe: {key} = "):
        Recipe(**{key: value})  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("text", ["epochs = ", "\x00", "[recipe]\nepoch = 3"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=r"wrong\.toml"):
        Recipe.from_toml(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        Recipe.from_toml(tmp_path / "absent.toml")


def test_every_hyperparameter_is_documented() -> None:
    for attribute in attrs.fields(Recipe):
        assert f"\n        {attribute.name}: " in (Recipe.__doc__ or "")
