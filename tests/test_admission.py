"""Admission: which task starts a run, which attaches, and which is refused."""

from __future__ import annotations

import pytest
from attrs import evolve

from nls_sdk.admission import admit, differences
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import RunNameTaken
from nls_sdk.events import Progress
from nls_sdk.providers import RunRecord, State
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import DryRun, Merge, Serve, Task, Train

DATA = Artifact("artifacts/a", "a" * 64, 1)
OTHER = Artifact("artifacts/b", "b" * 64, 1)
TRAIN = Train(name="first", base="some/model", data=DATA, recipe=Recipe())
DRY = DryRun(name="first", base="some/model", data=DATA, recipe=Recipe())
MERGE = Merge(name="first", base="some/model", adapter=DATA)
SERVE = Serve(name="first", model=DATA)


def record(task: Task, state: State, *, progress: Progress | None = None) -> RunRecord:
    return RunRecord(run_id=task.run_id, task=task, state=state, created=0.0, updated=0.0, progress=progress)


@pytest.mark.parametrize("task", [TRAIN, DRY, MERGE, SERVE])
def test_a_new_name_starts(task: Task) -> None:
    assert admit(task, None)


@pytest.mark.parametrize("task", [TRAIN, DRY, MERGE, SERVE])
@pytest.mark.parametrize("state", ["queued", "running", "ready"])
def test_the_same_task_attaches_while_it_lives(task: Task, state: State) -> None:
    assert not admit(task, record(task, state))


@pytest.mark.parametrize(
    ("task", "state", "starts"),
    [
        (TRAIN, "succeeded", False),
        (MERGE, "succeeded", False),
        (DRY, "succeeded", False),
        (SERVE, "succeeded", True),
        (TRAIN, "failed", True),
        (TRAIN, "cancelled", True),
        (SERVE, "cancelled", True),
    ],
)
def test_the_same_task_starts_again_unless_its_result_is_there(
    task: Task, state: State, starts: bool
) -> None:
    assert admit(task, record(task, state)) is starts


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "cancelled"])
@pytest.mark.parametrize(
    ("earlier", "task"),
    [(TRAIN, evolve(TRAIN, data=OTHER)), (MERGE, evolve(MERGE, adapter=OTHER))],
)
def test_another_task_never_takes_what_was_trained_or_merged(earlier: Task, task: Task, state: State) -> None:
    with pytest.raises(RunNameTaken, match=f"{task.run_id} exists with another configuration"):
        admit(task, record(earlier, state, progress=Progress(1, 10)))


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_training_that_never_took_a_step_gives_up_its_name(state: State) -> None:
    assert admit(evolve(TRAIN, base="other/model"), record(TRAIN, state))


@pytest.mark.parametrize(
    ("earlier", "task"),
    [(SERVE, evolve(SERVE, model=OTHER)), (DRY, evolve(DRY, recipe=Recipe(lora_r=8)))],
)
def test_servers_and_dry_runs_give_up_their_name_when_they_have_ended(earlier: Task, task: Task) -> None:
    assert admit(task, record(earlier, "failed"))
    with pytest.raises(RunNameTaken) as caught:
        admit(task, record(earlier, "running"))
    kind = earlier.kind
    stop = "stop --run-name first" if kind == "serve" else f"cancel --run-name first --kind {kind}"
    assert f"`nls-finetune {stop}`" in caught.value.hint


def test_a_training_that_ran_out_of_memory_resumes_with_its_steps_split_otherwise() -> None:
    recipe = Recipe(
        per_device_batch_size=8, gradient_accumulation_steps=1, checkpoint_steps=7, logging_steps=1
    )
    stopped = record(TRAIN, "failed", progress=Progress(1, 10))
    assert admit(evolve(TRAIN, recipe=recipe), stopped)
    other = evolve(TRAIN, recipe=evolve(recipe, gradient_accumulation_steps=2))
    with pytest.raises(RunNameTaken, match=r"\(recipe.effective_batch_size: 8, now 16\)"):
        admit(other, stopped)


def test_differences_name_what_decides_and_nothing_else() -> None:
    other = evolve(TRAIN, name="second", data=evolve(DATA, path="elsewhere"), base="other/model")
    assert differences(TRAIN, other) == ["base: some/model, now other/model"]
    assert differences(TRAIN, evolve(TRAIN, data=OTHER, recipe=Recipe(lora_r=8, dtype="float32"))) == [
        "data: content aaaaaaaaaaaa, now content bbbbbbbbbbbb",
        "recipe.dtype: bfloat16, now float32",
        "recipe.lora_r: 16, now 8",
    ]
    assert differences(SERVE, evolve(SERVE, detached=True)) == []
    hub = evolve(SERVE, model="some/model")
    assert differences(SERVE, hub) == ["model: content aaaaaaaaaaaa, now some/model"]


def test_many_differences_are_counted() -> None:
    recipe = Recipe(
        lora_r=8, lora_alpha=8, epochs=1, seed=1, max_length=64, weight_decay=0.1, lora_dropout=0.1
    )
    with pytest.raises(RunNameTaken, match="and 2 more"):
        admit(evolve(TRAIN, recipe=recipe), record(TRAIN, "succeeded"))
