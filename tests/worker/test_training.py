from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

import attrs
import pytest
import torch
from safetensors.torch import load_file
from tiny import QUESTIONS
from worker_home import Home, finish, read_until

from nls_sdk import Dataset, Recipe
from nls_sdk.errors import ArtifactError, DataError, RecipeError, RunFailed
from nls_sdk.events import Event, Log, Progress, Succeeded
from nls_sdk.tasks import Train
from nls_sdk.worker.training import train

STEPS = 12


def _reached(step: int, event: Event) -> bool:
    return isinstance(event, Progress) and event.step >= step


def _train(home: Home, recipe: Recipe, told: list[Event], name: str = "a", **changes: Any) -> Succeeded:
    task = Train(name=name, base=home.base, data=home.data, recipe=attrs.evolve(recipe, **changes))
    return train(home.write(task), task, told.append)


def test_an_adapter_is_trained(home: Home, recipe: Recipe, told: list[Event]) -> None:
    end = _train(home, recipe, told)
    progress = [event for event in told if isinstance(event, Progress)]
    assert [event.step for event in progress] == [*range(1, STEPS + 1)]
    assert {event.total for event in progress} == {STEPS}
    losses = [event.loss for event in progress if event.loss is not None]
    assert losses[-1] < losses[0]
    assert end.metrics["train_loss"] == pytest.approx(sum(losses) / STEPS)
    assert end.metrics["final_loss"] == losses[-1]
    assert end.metrics["examples"] == 80
    assert end.metrics["steps"] == STEPS
    assert progress[-1].seconds_left == 0
    assert end.metrics["examples_per_second"] == pytest.approx(80 / end.metrics["seconds"])
    assert end.metrics["tokens_per_second"] == pytest.approx(end.metrics["tokens"] / end.metrics["seconds"])
    paces = [(e.examples_per_second, e.tokens_per_second) for e in progress]
    assert all(slow and fast and 20 < fast / slow < 200 for slow, fast in paces), "tokens of an example"

    folder = home.path / end.outputs["adapter"].path
    assert sorted(file.name for file in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (16, 32)
    assert config["base_model_name_or_path"] == recipe.base_model
    layers = {name.split(".")[-3] for name in load_file(folder / "adapter_model.safetensors")}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_the_schedule_is_the_recipes(home: Home, recipe: Recipe, told: list[Event]) -> None:
    _train(home, recipe, told, warmup_ratio=0.25, logging_steps=1)
    rates = [event.learning_rate for event in told if isinstance(event, Progress)]
    warm = [recipe.learning_rate * step / 3 for step in range(3)]
    falling = [recipe.learning_rate * (1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)]
    assert rates == pytest.approx(warm + falling)


def test_reports_come_at_the_first_step_then_every_few_and_at_the_last(
    home: Home, recipe: Recipe, told: list[Event]
) -> None:
    end = _train(home, recipe, told, logging_steps=5)
    progress = [event for event in told if isinstance(event, Progress)]
    assert [event.step for event in progress] == [1, 5, 10, 12]
    windows = [1, 4, 5, 2]
    total = sum((event.loss or 0) * steps for event, steps in zip(progress, windows, strict=True))
    assert total / STEPS == pytest.approx(end.metrics["train_loss"])


def test_a_step_is_the_same_however_it_is_split(home: Home, recipe: Recipe, told: list[Event]) -> None:
    whole = _train(
        home, recipe, told, "a", lora_dropout=0.0, per_device_batch_size=8, gradient_accumulation_steps=1
    )
    split = _train(
        home, recipe, told, "b", lora_dropout=0.0, per_device_batch_size=1, gradient_accumulation_steps=8
    )
    assert split.metrics["final_loss"] == pytest.approx(whole.metrics["final_loss"], abs=1e-4)


def test_a_killed_training_ends_as_an_undisturbed_one(home: Home, recipe: Recipe, told: list[Event]) -> None:
    """Killed before the first checkpoint, between two, and in another epoch: not a bit changes."""
    undisturbed = _train(home, recipe, told, "undisturbed")
    task = Train(name="killed", base=home.base, data=home.data, recipe=recipe)
    for moment in (1, 3, 7):
        process = home.fork(task)
        for _ in read_until(process, partial(_reached, moment)):
            pass
        process.kill()
        process.communicate()
    events, _, code = finish(home.fork(task))
    end = events[-1]
    assert code == 0
    assert isinstance(end, Succeeded)
    assert any("resuming from the checkpoint" in event.text for event in events if isinstance(event, Log))
    for name in ("train_loss", "final_loss", "examples", "tokens", "steps"):
        assert end.metrics[name] == undisturbed.metrics[name], name
    assert end.outputs["adapter"].digest == undisturbed.outputs["adapter"].digest


@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["lean", "TRL"])
def test_a_killed_training_resumes_with_its_steps_split_otherwise(
    home: Home, recipe: Recipe, told: list[Event], dropout: float
) -> None:
    """Not a step is skipped or seen twice; the checkpoint's own intervals give way to the new ones."""
    whole = attrs.evolve(recipe, lora_dropout=dropout)
    undisturbed = _train(home, whole, told, "undisturbed")
    task = Train(name="killed", base=home.base, data=home.data, recipe=whole)
    process = home.fork(task)
    for _ in read_until(process, partial(_reached, 5)):
        pass
    process.kill()
    process.communicate()
    split = attrs.evolve(
        whole, per_device_batch_size=2, gradient_accumulation_steps=4, logging_steps=3, checkpoint_steps=5
    )
    events, _, _ = finish(home.fork(attrs.evolve(task, recipe=split)))
    end = events[-1]
    assert isinstance(end, Succeeded)
    assert [event.step for event in events if isinstance(event, Progress)][-2:] == [9, 12]
    for name in ("examples", "tokens", "steps"):
        assert end.metrics[name] == undisturbed.metrics[name], name
    if not dropout:
        assert end.metrics["final_loss"] == pytest.approx(undisturbed.metrics["final_loss"], abs=1e-4)


def test_half_a_checkpoint_is_not_resumed_from(home: Home, recipe: Recipe, told: list[Event]) -> None:
    undisturbed = _train(home, recipe, told, "undisturbed")
    task = Train(name="killed", base=home.base, data=home.data, recipe=recipe)
    staging = home.write(task).checkpoints / ".staging" / "checkpoint-8"
    staging.mkdir(parents=True)
    (staging / "adapter_model.safetensors").write_bytes(b"half a file")
    assert (
        train(home.write(task), task, told.append).metrics["final_loss"] == undisturbed.metrics["final_loss"]
    )
    assert not staging.exists()


def test_the_last_two_checkpoints_are_kept(home: Home, recipe: Recipe, told: list[Event]) -> None:
    _train(home, recipe, told)
    kept = (home.path / "runs" / "a.train" / "checkpoints").iterdir()
    assert sorted(folder.name for folder in kept) == ["checkpoint-10", "checkpoint-8"]


def test_a_finished_training_is_not_repeated(home: Home, recipe: Recipe, told: list[Event]) -> None:
    first = _train(home, recipe, told)
    task = Train(name="a", base=home.base, data=home.data, recipe=recipe)
    events, _, code = finish(home.start(task))
    assert (events, code) == ([first], 0)


def test_rows_that_are_too_long_are_named(home: Home, recipe: Recipe, told: list[Event]) -> None:
    pairs = [*QUESTIONS[:3], ("find " + "a very long question " * 40, "lang:go"), ("what " * 60, "lang:go")]
    data = Dataset.from_pairs(pairs).write(home.path / "artifacts" / "long.jsonl")
    long = attrs.evolve(home, data=home.store(data))
    with pytest.raises(
        DataError, match=r"long\.jsonl:4: .* \d+ tokens, and the limit is 128; 2 rows"
    ) as caught:
        _train(long, recipe, told, max_length=128)
    assert caught.value.line == 4


def test_the_models_own_limit_holds_too(home: Home, recipe: Recipe, told: list[Event]) -> None:
    data = Dataset.from_pairs([("find " + "xyzzy plugh " * 200, "lang:go")]).write(
        home.path / "artifacts/l.jsonl"
    )
    with pytest.raises(DataError, match="the limit is 512"):
        _train(attrs.evolve(home, data=home.store(data)), recipe, told, max_length=100_000)


def test_a_loss_that_is_not_a_number_ends_the_run(home: Home, recipe: Recipe, told: list[Event]) -> None:
    from safetensors.torch import load_file, save_file

    folder = home.path / "artifacts" / "broken"
    folder.mkdir()
    for file in (home.path / home.base.path).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunFailed, match="The loss of step 1 is nan") as caught:
        _train(attrs.evolve(home, base=home.store(folder)), recipe, told)
    assert "learning_rate" in caught.value.hint


def test_a_model_that_cannot_chat_is_refused(home: Home, recipe: Recipe, told: list[Event]) -> None:
    folder = home.path / "artifacts" / "mute"
    folder.mkdir()
    for file in (home.path / home.base.path).iterdir():
        if file.name != "chat_template.jinja":
            (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecipeError, match="has no chat template"):
        _train(attrs.evolve(home, base=home.store(folder)), recipe, told)


@pytest.mark.parametrize("name", ["q_prj", "lm_head", "q_norm"])
def test_a_layer_that_can_have_no_adapter_is_refused(
    home: Home, recipe: Recipe, told: list[Event], name: str
) -> None:
    """Also beside one that can, with which PEFT would train a smaller adapter."""
    with pytest.raises(RecipeError, match=f"target_modules names '{name}'") as caught:
        _train(home, recipe, told, target_modules=f"v_proj, {name}")
    assert caught.value.hint.startswith("It has embed_tokens, q_proj, k_proj, v_proj, o_proj,")


def test_an_artifact_that_is_gone_is_named(home: Home, recipe: Recipe, told: list[Event]) -> None:
    (home.path / home.data.path).unlink()
    with pytest.raises(ArtifactError, match=r"data\.jsonl"):
        _train(home, recipe, told)


@pytest.mark.parametrize(
    "changes", [{"gradient_checkpointing": True}, {"dtype": "bfloat16"}, {"epochs": 0.5}]
)
def test_other_recipes_train_too(
    home: Home, recipe: Recipe, told: list[Event], changes: dict[str, Any]
) -> None:
    end = _train(home, recipe, told, max_steps=0, **{"epochs": 1.0, **changes})
    assert end.metrics["steps"] == (2 if changes.get("epochs") else 3)
    assert math.isfinite(end.metrics["final_loss"])
