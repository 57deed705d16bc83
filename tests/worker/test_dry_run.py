from __future__ import annotations

import attrs
import pytest
from worker_home import Home

from nls_sdk import Recipe
from nls_sdk.errors import RunFailed
from nls_sdk.events import Event, Progress
from nls_sdk.tasks import DryRun
from nls_sdk.worker.dry_run import dry_run


def test_the_model_stage_stops_after_a_forward_pass(home: Home, recipe: Recipe, told: list[Event]) -> None:
    task = DryRun(name="a", base=home.base, data=home.data, recipe=recipe, stage="model")
    end = dry_run(home.write(task), task, told.append)
    assert end.metrics["parameters"] == 96_384
    assert 5 < end.metrics["loss"] < 7, "an untrained model guesses among 400 tokens: ln 400 = 6.0"
    assert end.metrics["seconds"] > 0
    assert not [event for event in told if isinstance(event, Progress)]
    assert not (home.path / "runs" / task.run_id / "checkpoints").exists()


def test_the_train_stage_takes_three_steps(home: Home, recipe: Recipe, told: list[Event]) -> None:
    task = DryRun(name="a", base=home.base, data=home.data, recipe=recipe)
    for _ in range(2):  # The second does not resume from the first one's checkpoint.
        told.clear()
        directory = home.write(task)
        end = dry_run(directory, task, told.append)
        assert [event.step for event in told if isinstance(event, Progress)] == [1, 2, 3]
        assert end.metrics["loss_after"] < end.metrics["loss_before"]
        assert [folder.name for folder in directory.checkpoints.iterdir()] == ["checkpoint-2"]


def test_a_loss_that_does_not_fall_fails(home: Home, recipe: Recipe, told: list[Event]) -> None:
    idle = attrs.evolve(recipe, learning_rate=1e-30)
    task = DryRun(name="a", base=home.base, data=home.data, recipe=idle)
    with pytest.raises(RunFailed, match="The loss did not fall in 3 steps") as caught:
        dry_run(home.write(task), task, told.append)
    assert "learning_rate = 1e-30" in caught.value.hint


def test_bfloat16_runs_dry_too(home: Home, recipe: Recipe, told: list[Event]) -> None:
    task = DryRun(name="a", base=home.base, data=home.data, recipe=attrs.evolve(recipe, dtype="bfloat16"))
    end = dry_run(home.write(task), task, told.append)
    assert end.metrics["loss_after"] < end.metrics["loss_before"]
