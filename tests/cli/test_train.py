"""`upload-data`, `dry-run`, `train`, `merge`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from cli.calling import Call
from stub_server import StubServer

from nls_sdk import Dataset
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import NlsError
from nls_sdk.events import Event, Failed, Log
from nls_sdk.providers import RunRecord
from nls_sdk.tasks import DryRun, Merge, Task, Train
from nls_sdk.testing import FakeProvider

pytestmark = pytest.mark.usefixtures("data")


def test_train_tells_the_reference_the_progress_and_the_end(call: Call) -> None:
    done = call("train", "--run-name", "first", "--set", "max_steps=2")
    assert done.code == 0
    assert done.out.startswith("fake:first.train succeeded: train loss 0.5")
    assert "step 2/2" in done.err
    assert "logs --run-name first --follow" in done.err
    assert "merge --run-name first" in done.err


def test_train_as_json_is_one_document(call: Call) -> None:
    done = call("train", "--run-name", "first", "--json")
    assert done.json == {
        "ref": "fake:first.train",
        "state": "succeeded",
        "metrics": {"train_loss": pytest.approx(1 / 3)},
    }


def test_the_recipe_is_the_configs_then_the_files_then_set(call: Call, fake: FakeProvider) -> None:
    Path("nls-finetune.toml").write_text("[recipe]\nlora_r = 4\nseed = 1\n")
    Path("mine.toml").write_text("lora_r = 8\n")
    call("train", "--run-name", "a", "--set", "seed=2", "--set", "learning_rate=1e-3")
    call("train", "--run-name", "b", "--recipe", "mine.toml")
    first, second = fake.submitted
    assert isinstance(first, Train)
    assert isinstance(second, Train)
    assert (first.recipe.lora_r, first.recipe.seed, first.recipe.learning_rate) == (4, 2, 1e-3)
    assert (second.recipe.lora_r, second.recipe.seed) == (8, 42)


def test_the_config_of_a_parent_is_found_and_its_paths_count_from_there(
    call: Call, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("nls-finetune.toml").write_text('[data]\ntrain = "data/datasets/processed/val.jsonl"\n')
    Path("deep").mkdir()
    monkeypatch.chdir("deep")
    done = call("train", "--run-name", "a")
    assert done.code == 0
    assert "on 2 examples" in done.err


def test_a_finished_run_is_not_trained_again(call: Call) -> None:
    call("train", "--run-name", "first")
    again = call("train", "--run-name", "first")
    assert again.code == 0
    assert "finished before" in again.err
    assert "step" not in again.err


def test_another_configuration_under_the_same_name_is_refused(call: Call) -> None:
    call("train", "--run-name", "first")
    done = call("train", "--run-name", "first", "--set", "lora_r=2")
    assert done.code == 2
    assert "lora_r" in done.err


def test_detach_leaves_the_run_going(call: Call, fake: FakeProvider) -> None:
    done = call("train", "--run-name", "first", "--detach")
    assert (done.code, done.out) == (0, "fake:first.train\n")
    assert [record.state for record in fake.runs()] == ["queued"]


def test_ctrl_c_detaches_and_says_how_to_cancel(call: Call) -> None:
    class Interrupted(FakeProvider):
        def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
            if after == 2:
                raise KeyboardInterrupt
            return super().events(run_id, after=after)

    provider = Interrupted()
    done = call("train", "--run-name", "first", provider=provider)
    assert done.code == 130
    assert done.out == ""
    assert "Detached: fake:first.train goes on" in done.err
    assert "cancel --run-name first" in done.err
    assert provider.runs()[0].state == "running"


@pytest.mark.parametrize("at", ["submit", "events"])
def test_ctrl_c_as_json_is_one_document(call: Call, at: str) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    provider = type("Interrupted", (FakeProvider,), {at: interrupt})()
    done = call("train", "--run-name", "first", "--json", provider=provider)
    assert done.code == 130
    assert done.json["error"]["type"] == "Interrupted"
    assert done.json.get("ref") == (None if at == "submit" else "fake:first.train")


def test_nothing_is_announced_that_is_refused(call: Call, fake: FakeProvider) -> None:
    call("train", "--run-name", "first", "--detach")
    done = call("train", "--run-name", "first", "--set", "seed=1")
    assert done.code == 2
    assert done.err.startswith("error: The run first.train exists")
    attached = call("train", "--run-name", "first")
    assert attached.code == 0
    assert "Training" not in attached.err


def test_what_a_step_takes_is_told_before_it_and_not_where_it_is_done(call: Call) -> None:
    for step in (("dry-run", "model"), ("train", "--run-name", "first"), ("merge", "--run-name", "first")):
        assert "Estimate: about 0.1 min, $0.00 (made up)\nRun fake:" in call(*step).err
        assert "Estimate" not in call(*step).err


def test_a_dry_run_makes_its_task_once(call: Call) -> None:
    provider = Counting()
    assert call("dry-run", "model", provider=provider).code == 0
    assert provider.pushed.count("data.jsonl") == 1
    assert provider.submitted[0].name == f"dry-{provider.submitted[0].key[:8]}"


def test_one_example_is_one_example(call: Call, data: Path) -> None:
    Dataset.from_pairs([("a", "lang:go")]).write(data / "train.jsonl")
    assert "on 1 example at" in call("train", "--run-name", "a").err


def test_a_failed_run_is_1_with_its_last_words(call: Call) -> None:
    def script(task: Task, attempt: int) -> Iterator[Event | NlsError]:
        yield Log("about to\x1b[31m break\x1b[0m")
        yield Failed("out of memory", hint="A smaller batch.")

    done = call("train", "--run-name", "first", provider=FakeProvider(script))
    assert done.code == 1
    assert "out of memory" in done.err
    assert "A smaller batch." in done.err
    assert "\x1b" not in done.err.partition("error:")[0]


@pytest.mark.parametrize("stage", ["model", "train"])
def test_dry_run_is_named_after_its_configuration(call: Call, fake: FakeProvider, stage: str) -> None:
    assert call("dry-run", stage).code == 0
    assert call("dry-run", stage, "--set", "lora_r=2").code == 0
    first, second = fake.submitted
    assert isinstance(first, DryRun)
    assert first.stage == stage
    assert first.name != second.name


@pytest.mark.parametrize("stage", ["model", "train"])
def test_a_dry_run_that_is_named_is_found_by_that_name(call: Call, fake: FakeProvider, stage: str) -> None:
    assert call("dry-run", stage, "--run-name", "foo").out.startswith("fake:foo.dry-run succeeded")
    assert "succeeded" in call("logs", "--run-name", "foo").out
    assert call("train", "--run-name", f"foo-{stage}").code == 0
    names = [record.run_id for record in fake.runs()]
    assert names == ["foo.dry-run", f"foo-{stage}.train"]


def test_merge_takes_exactly_the_adapter_of_that_name(call: Call, fake: FakeProvider) -> None:
    call("train", "--run-name", "one")
    call("train", "--run-name", "two", "--set", "seed=2")
    assert call("merge", "--run-name", "one").code == 0
    trained: RunRecord = fake.runs()[0]
    merge = fake.submitted[-1]
    assert isinstance(merge, Merge)
    assert trained.end
    assert merge.adapter == trained.end.outputs["adapter"]


def test_merge_of_an_unknown_name_lists_the_near_ones(call: Call) -> None:
    call("train", "--run-name", "experiment-1")
    done = call("merge", "--run-name", "experiment-2")
    assert done.code == 2
    assert "Near it: experiment-1" in done.err


def test_merge_of_a_run_that_has_not_succeeded(call: Call) -> None:
    call("train", "--run-name", "first", "--detach")
    done = call("merge", "--run-name", "first")
    assert done.code == 2
    assert "first.train" in done.err
    assert "queued" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ('{"messages": [}\n', "train.jsonl:1:15: not JSON"),
        ('{"prompt": "a"}\n', 'expected an object with a list "messages"'),
    ],
)
def test_data_that_cannot_be_trained_on_submits_nothing(
    call: Call, fake: FakeProvider, data: Path, text: str, said: str
) -> None:
    (data / "train.jsonl").write_text(text)
    done = call("train", "--run-name", "first")
    assert done.code == 2
    assert said in done.err
    assert not fake.submitted


def test_upload_data_stores_both_files(call: Call, data: Path) -> None:
    done = call("upload-data", "--json")
    assert [Path(each["file"]).name for each in done.json] == ["train.jsonl", "val.jsonl"]
    assert all(len(each["digest"]) == 64 for each in done.json)


def test_a_full_disk_is_said(call: Call) -> None:
    class Full(FakeProvider):
        def push(self, path: Path) -> None:
            raise OSError(28, "No space left on device", "/store/file")

    done = call("upload-data", provider=Full())
    assert done.code == 1
    assert "The disk is full at /store/file" in done.err


def test_what_was_not_foreseen_is_one_line(call: Call) -> None:
    class Broken(FakeProvider):
        def push(self, path: Path) -> None:
            raise ZeroDivisionError("by nothing")

    done = call("upload-data", provider=Broken())
    assert done.code == 1
    assert done.err == "error: Unexpected ZeroDivisionError: by nothing\n--debug shows where it came from.\n"


class Counting(FakeProvider):
    """Keeps the names of what is pushed."""

    def __init__(self, url: str = "") -> None:
        super().__init__(url=url)
        self.pushed: list[str] = []

    def push(self, path: Path) -> Artifact:
        self.pushed.append(path.name)
        return super().push(path)


def test_data_and_base_are_stored_once(call: Call) -> None:
    Path("base").mkdir()
    Path("base/config.json").write_text("{}")
    provider = Counting()
    assert call("train", "--run-name", "a", "--set", "base_model='base'", provider=provider).code == 0
    assert provider.pushed[:2] == ["base", "data.jsonl"]
    assert not {"base", "data.jsonl"} & set(provider.pushed[2:])


def test_the_demo_stores_data_and_base_once(call: Call) -> None:
    Path("base").mkdir()
    Path("base/config.json").write_text("{}")
    with StubServer("lang:go foo") as server:
        provider = Counting(server.url)
        done = call("demo", "--rows", "60", "--sample", "2", "--set", "base_model='base'", provider=provider)
    assert done.code == 0
    assert provider.pushed[:2] == ["base", "data.jsonl"]
    assert not {"base", "data.jsonl"} & set(provider.pushed[2:])


def test_merge_goes_on_with_what_training_was_told(call: Call, fake: FakeProvider) -> None:
    call("train", "--run-name", "one", "--set", "dtype=float32")
    assert call("merge", "--run-name", "one").code == 0
    merge = fake.submitted[-1]
    assert isinstance(merge, Merge)
    assert merge.dtype == "float32"
