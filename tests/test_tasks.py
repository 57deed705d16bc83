import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from nls_sdk import Recipe
from nls_sdk.artifacts import Artifact
from nls_sdk.rundir import RunDirectory
from nls_sdk.serve_config import ServeConfig
from nls_sdk.tasks import DryRun, Merge, Serve, ServedAdapter, Task, Train, dump_task, load_task

DATA = Artifact("artifacts/aa/data.jsonl", "aa", 10)
BASE = Artifact("artifacts/bb", "bb", 20)
TRAIN = Train(name="first", base=BASE, data=DATA, recipe=Recipe(base_model="/some/folder"))
TASKS: list[Task] = [
    TRAIN,
    DryRun(name="first", base="Qwen/Qwen3-1.7B", data=DATA, recipe=Recipe(), stage="model"),
    Merge(name="first", base=BASE, adapter=Artifact("runs/first.train/adapter", "cc", 5)),
    Serve(
        name="first",
        model=BASE,
        config=ServeConfig(port=8000),
        adapters=(ServedAdapter("x", BASE, "Be brief."),),
        detached=True,
    ),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_task_survives_its_file(task: Task, tmp_path: Path) -> None:
    assert load_task(json.loads(json.dumps(dump_task(task)))) == task
    run = RunDirectory(tmp_path, task.run_id)
    run.write_task(task)
    assert run.read_task() == task
    assert run.path.name == f"first.{task.kind}"


def test_the_key_is_of_what_decides_the_result() -> None:
    same = [
        attrs.evolve(TRAIN, name="second"),
        attrs.evolve(TRAIN, data=Artifact("elsewhere", "aa", 10)),
        attrs.evolve(TRAIN, recipe=Recipe(base_model="/other/folder")),
    ]
    other = [
        attrs.evolve(TRAIN, data=Artifact("artifacts/aa/data.jsonl", "ab", 10)),
        attrs.evolve(TRAIN, base="Qwen/Qwen3-1.7B"),
        attrs.evolve(TRAIN, recipe=Recipe(seed=1)),
        DryRun(name="first", base=BASE, data=DATA, recipe=TRAIN.recipe),
    ]
    assert {task.key for task in same} == {TRAIN.key}
    assert len({task.key for task in [TRAIN, *other]}) == 5


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"per_device_batch_size": 2, "gradient_accumulation_steps": 4}, True),
        ({"logging_steps": 1, "checkpoint_steps": 1}, True),
        ({"per_device_batch_size": 2}, False),
        ({"gradient_checkpointing": True}, False),
    ],
)
def test_how_a_training_is_run_is_not_its_identity_but_a_dry_runs(
    changes: dict[str, Any], same: bool
) -> None:
    assert (attrs.evolve(TRAIN, recipe=attrs.evolve(TRAIN.recipe, **changes)).key == TRAIN.key) is same
    dry = DryRun(name="first", base=BASE, data=DATA, recipe=TRAIN.recipe)
    assert attrs.evolve(dry, recipe=attrs.evolve(dry.recipe, **changes)).key != dry.key


def test_whether_a_server_is_detached_is_not_its_identity() -> None:
    serve = Serve(name="a", model=BASE)
    assert attrs.evolve(serve, detached=True).key == serve.key
    assert attrs.evolve(serve, config=ServeConfig(port=1)).key != serve.key


def test_what_an_adapter_is_asked_with_is_not_a_servers_identity() -> None:
    one, same, other = (
        Serve(name="a", model=BASE, adapters=(ServedAdapter("x", Artifact("x", digest, 1), system),))
        for digest, system in (("aa", "Be brief."), ("aa", "Be long."), ("bb", "Be brief."))
    )
    assert one.key == same.key != other.key


@pytest.mark.parametrize("values", [{}, {"kind": "bake"}, {"kind": "merge", "name": "x"}])
def test_other_values_are_not_a_task(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        load_task(values)


def test_a_whole_number_for_a_fraction_is_the_same_task() -> None:
    task = attrs.evolve(TRAIN, recipe=Recipe(epochs=2))
    assert load_task(json.loads(json.dumps(dump_task(task)))).key == task.key
    serve = Serve(name="a", model=BASE, config=ServeConfig(idle_timeout=60))
    assert load_task(json.loads(json.dumps(dump_task(serve)))).key == serve.key


def test_the_system_message_goes_along_but_is_in_the_data_already() -> None:
    assert attrs.evolve(TRAIN, system="other").key == TRAIN.key
