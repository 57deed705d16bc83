"""`list-runs`, `status`, `logs`, `cancel`, `plugins`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from answers import results, rows
from attrs import evolve
from cli.calling import Call

from nls_sdk.artifacts import Artifact
from nls_sdk.cli import main
from nls_sdk.cli.words import describe
from nls_sdk.evaluation.files import save_evaluation
from nls_sdk.events import Progress, Succeeded, load_event
from nls_sdk.providers import RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import Train
from nls_sdk.testing import FakeProvider
from nls_sdk_local import LocalProvider

pytestmark = pytest.mark.usefixtures("data")


def test_no_runs_yet(call: Call) -> None:
    assert call("list-runs").out == "There are no runs at fake yet.\n"
    assert call("status", "--json").json == []


def test_list_runs(call: Call) -> None:
    call("train", "--run-name", "one")
    call("train", "--run-name", "two", "--detach")
    lines = call("list-runs").out.splitlines()
    heads = "NAME KIND STATE STEP LOSS SYNTAX MATCH COST AGE FROM RECIPE"
    assert lines[0].split() == heads.split()
    assert lines[1].split()[:5] == ["one", "train", "succeeded", "3/3", "0.3333"]
    assert lines[2].split()[:5] == ["two", "train", "queued", "-", "-"]
    found = call("list-runs", "--json").json
    assert [run["run_id"] for run in found] == ["one.train", "two.train"]
    assert [run["ref"] for run in found] == ["fake:one.train", "fake:two.train"]
    assert call("status", "--run-name", "two", "--json").json[0]["ref"] == "fake:two.train"
    assert call("list-runs", "--kind", "merge", "--json").json == []


class Billed(FakeProvider):
    """A provider that bills a quarter of a dollar a run."""

    def runs(self) -> list[RunRecord]:
        return [evolve(record, dollars=0.25) for record in super().runs()]


def test_list_runs_leads_from_data_to_evaluations(call: Call) -> None:
    billed = Billed()
    call("train", "--run-name", "night", "--set", "lora_r=8", provider=billed)
    call("merge", "--run-name", "night", provider=billed)
    call("deploy", "--run-name", "night", provider=billed)
    asked = evolve(results(rows(4, 1)), parameters={"run": "night.serve"}, cost=0.5)
    save_evaluation(asked, "data/datasets/evaluations")
    trained, merged, served = call("list-runs", "--json", provider=billed).json
    lines = [line.split() for line in call("list-runs", provider=billed).out.splitlines()[1:]]
    short = trained["task"]["data"]["digest"][:12]
    assert " ".join(lines[0]).endswith(f"data {short} Qwen/Qwen3-1.7B lora_r=8")
    assert lines[1][-2] == merged["task"]["adapter"]["digest"][:12]
    assert lines[2][4:8] == ["-", "100%", "80%", "$0.25"]
    assert trained["task"]["recipe"]["lora_r"] == 8
    assert [len(run["evaluations"]) for run in (trained, merged, served)] == [0, 0, 1]

    (line,) = call("list-runs", "--lineage", "--json", provider=billed).json
    assert line["dollars"] == 0.25 * 3 + 0.5
    assert line["data"] == trained["task"]["data"]["digest"]
    told = call("list-runs", "--lineage", provider=billed).out
    assert "  cost     $1.25\n" in told
    assert "  recipe   lora_r=8\n" in told
    assert "match 80.0% of 5  eval-2026" in told


def test_status_shows_what_is_under_way_else_the_newest(call: Call, fake: FakeProvider) -> None:
    call("train", "--run-name", "one", "--detach")
    call("train", "--run-name", "two", "--set", "seed=2")
    assert call("status").out.startswith("one.train: queued")
    fake.cancel("one.train")
    assert call("status").out.startswith("two.train: succeeded")
    assert "stopped: cancelled" in call("status", "--run-name", "one").out


def test_logs_replay_a_run(call: Call) -> None:
    call("train", "--run-name", "one")
    done = call("logs", "--run-name", "one")
    assert done.out.splitlines()[0] == "attempt 1"
    assert done.out.splitlines()[-1].startswith("succeeded")


def test_logs_as_json_are_events(call: Call) -> None:
    call("train", "--run-name", "one")
    lines = call("logs", "--run-name", "one", "--json").out.splitlines()
    events = [load_event(line) for line in lines]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert json.loads(lines[-1])["event"] == "succeeded"


def test_logs_follow_a_run_to_its_end(call: Call) -> None:
    call("train", "--run-name", "one", "--detach")
    assert "succeeded" in call("logs", "--run-name", "one", "--follow").out


def test_logs_say_which_of_the_names_runs_they_are(call: Call) -> None:
    call("train", "--run-name", "one")
    assert call("logs", "--run-name", "one").err == ""
    call("merge", "--run-name", "one")
    done = call("logs", "--run-name", "one")
    assert done.err == "one.merge, which is succeeded; for the others: --kind train.\n"
    assert call("logs", "--run-name", "one", "--kind", "train").err == ""


def test_figures_are_for_people() -> None:
    metrics = {
        "parameters": 1_963_008,
        "seconds": 73.2,
        "peak_memory_bytes": 2**29,
        "examples": 9000,
        "loss": 0.25,
    }
    assert describe(Succeeded(outputs={}, metrics=metrics)) == (
        "succeeded: parameters 1.96 M, took 1 min 13 s, peak memory 512 MiB, examples 9,000, loss 0.25"
    )
    first = Progress(1, 1200, loss=0.0, learning_rate=0.0, tokens_per_second=1234.5)
    assert describe(first) == "step 1/1,200  loss 0.0000  tokens/s 1,234"
    assert describe(Progress(2, 9, learning_rate=2e-4)) == "step 2/9  lr 2.00e-04"


def test_hints_are_what_this_user_can_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flags = ["--provider", "local", "--option", f"home={tmp_path / 'a home'}"]
    LocalProvider(tmp_path / "a home", worker=["true"]).submit(
        Train(name="one", base="some/model", data=Artifact("a", "0" * 64, 0), recipe=Recipe())
    )
    assert main(["logs", "--run-name", "zzz", *flags]) == 2
    hint = capsys.readouterr().err
    command = hint.partition("`")[2].partition("`")[0]
    assert shlex.split(command) == ["nls-finetune", "list-runs", *flags]
    assert main(shlex.split(command)[1:]) == 0


def test_logs_of_a_kind_that_is_not_there(call: Call) -> None:
    call("train", "--run-name", "one")
    done = call("logs", "--run-name", "one", "--kind", "merge")
    assert done.code == 2
    assert "It has: train." in done.err


def test_cancel_stops_what_is_under_way(call: Call, fake: FakeProvider) -> None:
    call("train", "--run-name", "one", "--detach")
    assert call("cancel", "--run-name", "one", "--json").json == {"cancelled": ["one.train"]}
    assert fake.runs()[0].state == "cancelled"
    assert call("cancel", "--run-name", "one").out == "Nothing was under way.\n"


@pytest.mark.parametrize("command", ["status", "logs", "cancel"])
def test_an_unknown_name_lists_the_near_ones(call: Call, command: str) -> None:
    call("train", "--run-name", "experiment")
    done = call(command, "--run-name", "experimnt")
    assert done.code == 2
    assert "Near it: experiment." in done.err


def test_plugins_lists_the_installed_ones(call: Call) -> None:
    found = {(plugin["role"], plugin["name"]): plugin for plugin in call("plugins", "--json").json}
    assert found["provider", "local"]["problem"] == ""
    assert found["baseline", "openai"]["problem"] == ""
    assert call("plugins").out.splitlines()[0].split() == ["ROLE", "NAME", "PACKAGE", "STATE"]
