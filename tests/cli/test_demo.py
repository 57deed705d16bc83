"""`demo`: its stages and that it leaves nothing running, at a fake provider with a real server behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cli.calling import Call
from stub_server import StubServer

from nls_sdk import Dataset
from nls_sdk.events import Event
from nls_sdk.providers import ENDED
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


def test_data_only_writes_the_usual_paths_and_overwrites_nothing(call: Call) -> None:
    assert call("demo", "--data-only", "--rows", "60").code == 0
    assert len(Dataset.from_jsonl("data/datasets/processed/train.jsonl").verify()) == 60
    assert call("verify", "data").code == 0
    again = call("demo", "--data-only")
    assert again.code == 2
    assert "is left as it is" in again.err
