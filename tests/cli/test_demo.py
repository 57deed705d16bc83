"""`demo`: its stages and that it leaves nothing running, at a fake provider with a real server behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cli.calling import Call
from stub_server import StubServer

from nls_sdk import Dataset, Recipe
from nls_sdk.events import Event
from nls_sdk.providers import ENDED
from nls_sdk.tasks import Train
from nls_sdk.testing import FakeProvider

SMALL = ("demo", "--rows", "60", "--sample", "5")


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer("lang:go foo") as server:
        yield server


def live(provider: FakeProvider) -> list[str]:
    return [record.run_id for record in provider.runs() if record.state not in ENDED]


def test_the_whole_job(call: Call, server: StubServer) -> None:
    fake = FakeProvider(url=server.url)
    done = call(*SMALL, provider=fake)
    assert done.code == 0
    for said in (
        "Untuned",
        "held_out=names",
        "evaluate fine-tuned",
        "in all",
        "Answered: lang:go foo",
        "curl -s",
    ):
        assert said in done.out
    kinds = [task.kind for task in fake.submitted]
    assert kinds == ["serve", "train", "merge", "serve"]
    assert len({task.name for task in fake.submitted}) == 2
    assert live(fake) == []
    folder = Path("nls-demo/data/datasets")
    assert len(Dataset.from_jsonl(folder / "processed/train.jsonl")) == 60
    assert {path.name.split("-")[0] for path in (folder / "evaluations").iterdir()} == {"eval", "baseline"}


def test_keep_leaves_the_endpoint_up(call: Call, server: StubServer) -> None:
    fake = FakeProvider(url=server.url)
    found = call(*SMALL, "--keep", "--json", provider=fake).json
    assert found["kept"] is True
    assert live(fake) == [f"{found['run_name']}.serve"]
    assert [stage["name"] for stage in found["stages"]] == [
        "write data",
        "serve untuned",
        "evaluate untuned",
        "train",
        "merge",
        "serve fine-tuned",
        "evaluate fine-tuned",
    ]


@pytest.mark.parametrize("kind", ["serve", "train", "merge"])
def test_ctrl_c_leaves_nothing_running(call: Call, server: StubServer, kind: str) -> None:
    class Interrupted(FakeProvider):
        def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
            if run_id.endswith(kind):
                raise KeyboardInterrupt
            return super().events(run_id, after=after)

    fake = Interrupted(url=server.url)
    done = call(*SMALL, "--json", provider=fake)
    assert done.code == 130
    assert "nothing is left running" in done.err
    assert done.json["error"]["type"] == "Interrupted"
    assert fake.submitted[-1].kind == kind
    assert live(fake) == []


def test_an_error_leaves_nothing_running(call: Call) -> None:
    fake = FakeProvider()
    done = call(*SMALL, provider=fake)
    assert done.code == 1
    assert "http://127.0.0.1:9/v1" in done.err.partition("error: ")[2]
    assert live(fake) == []


class WithRecipe(FakeProvider):
    """A provider that has a recipe for demos."""

    gives: object = Recipe(lora_r=3)

    def demo_recipe(self) -> Any:
        return self.gives


@pytest.mark.parametrize("words", [(), ("--recipe", "demo")])
def test_the_providers_own_recipe(call: Call, server: StubServer, words: tuple[str, ...]) -> None:
    fake = WithRecipe(url=server.url)
    assert call(*SMALL, *words, "--set", "seed=7", provider=fake).code == 0
    [recipe] = [task.recipe for task in fake.submitted if isinstance(task, Train)]
    assert recipe == Recipe(lora_r=3, seed=7)


@pytest.mark.parametrize("command", [SMALL, ("train", "--run-name", "first")])
def test_a_demo_recipe_of_a_provider_that_has_none(call: Call, command: tuple[str, ...]) -> None:
    fake = FakeProvider()
    done = call(*command, "--recipe", "demo", provider=fake)
    assert done.code == 2
    assert "The provider 'fake' has no recipe for a demo." in done.err
    assert fake.submitted == []


def test_a_demo_recipe_that_is_none(call: Call) -> None:
    fake = WithRecipe()
    fake.gives = {"lora_r": 3}
    done = call(*SMALL, provider=fake)
    assert done.code == 1
    assert "demo_recipe() of the provider 'fake' gave no Recipe but dict" in done.err


def test_the_users_own_data_is_left_as_it_is(call: Call, data: Path, fake: FakeProvider) -> None:
    before = (data / "train.jsonl").read_bytes()
    done = call(*SMALL, "--dir", ".")
    assert done.code == 2
    assert "is left as it is" in done.err
    assert (data / "train.jsonl").read_bytes() == before
    assert fake.submitted == []


def test_data_only_writes_the_usual_paths_and_overwrites_nothing(call: Call) -> None:
    assert call("demo", "--data-only", "--rows", "60").code == 0
    assert len(Dataset.from_jsonl("data/datasets/processed/train.jsonl").verify()) == 60
    assert call("verify", "data").code == 0
    again = call("demo", "--data-only")
    assert again.code == 2
    assert "is left as it is" in again.err
