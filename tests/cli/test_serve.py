"""`deploy`, `ask`, `key`, `stop`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cli.calling import Call
from stub_server import StubServer, status

from nls_sdk import Dataset
from nls_sdk.errors import ProviderError
from nls_sdk.events import Event, Log
from nls_sdk.providers import Reaped
from nls_sdk.tasks import Serve, Task
from nls_sdk.testing import FakeProvider

pytestmark = pytest.mark.usefixtures("data")


@pytest.fixture
def merged(call: Call, data: Path) -> None:
    for step in ("train", "merge"):
        assert call(step, "--run-name", "first").code == 0


@pytest.mark.usefixtures("merged")
def test_deploy_prints_the_way_in_and_never_the_key(call: Call, fake: FakeProvider) -> None:
    done = call("deploy", "--run-name", "first", "--idle-timeout", "90")
    assert done.code == 0
    assert "URL:   http://127.0.0.1:9/v1" in done.out
    assert '-H "Authorization: Bearer $(nls-finetune key --run-name first)"' in done.out
    assert "stop --run-name first" in done.out
    assert "for at most 1 min 30 s without a request" in done.err
    price = fake.estimate(fake.submitted[-1]).basis
    assert done.err.index(f"Price: {price}") < done.err.index("The endpoint's server runs"), "told before"
    assert "Price:" not in call("deploy", "--run-name", "first").err, "it is up, and costs nothing more"
    assert "fake-api-key" not in done.out + done.err
    task = fake.submitted[-1]
    assert isinstance(task, Serve)
    assert task.detached
    assert fake.runs()[-1].state == "ready"


@pytest.mark.usefixtures("merged")
def test_deploy_shows_the_key_when_it_is_asked_to(call: Call) -> None:
    assert call("deploy", "--run-name", "first", "--show-key", "--json").json["api_key"] == "fake-api-key"
    assert "api_key" not in call("deploy", "--run-name", "first", "--json").json


@pytest.mark.usefixtures("merged")
def test_the_curl_line_is_one_that_a_shell_reads(call: Call) -> None:
    out = call("deploy", "--run-name", "first").out
    line = next(line for line in out.splitlines() if line.startswith("Try:")).partition(":")[2]
    words = shlex.split(line)
    assert words[:3] == ["curl", "-s", "http://127.0.0.1:9/v1/chat/completions"]
    assert '"enable_thinking": false' in words[words.index("-d") + 1]


def test_ctrl_c_stops_a_server_that_is_not_up_yet(call: Call) -> None:
    class Interrupted(FakeProvider):
        def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
            if run_id == "first.serve":
                raise KeyboardInterrupt
            return super().events(run_id, after=after)

    provider = Interrupted()
    for step in ("train", "merge"):
        assert call(step, "--run-name", "first", provider=provider).code == 0
    done = call("deploy", "--run-name", "first", "--json", provider=provider)
    assert done.code == 130
    assert "not up yet, and is stopped" in done.err
    assert done.json["ref"] == "fake:first.serve"
    assert provider.runs()[-1].state == "cancelled"


def test_deploy_of_what_is_not_merged(call: Call) -> None:
    call("train", "--run-name", "first")
    done = call("deploy", "--run-name", "first")
    assert done.code == 2
    assert "First: nls-finetune merge --run-name first" in done.err


def test_ask_the_only_endpoint(call: Call) -> None:
    with StubServer("lang:go foo", key="fake-api-key") as server:
        fake = FakeProvider(url=server.url)
        for step in ("train", "merge", "deploy"):
            call(step, "--run-name", "first", provider=fake)
        done = call("ask", "foo in go", provider=fake)
        assert (done.code, done.out) == (0, "lang:go foo\n")
        found = call("ask", "foo in go", "--run-name", "first", "--json", provider=fake).json
        assert (found["question"], found["query"]) == ("foo in go", "lang:go foo")
        assert found["seconds"] > 0


class Starting(FakeProvider):
    """Its servers take a while to come up."""

    def default_script(self, task: Task, attempt: int) -> Iterator[Event]:
        if isinstance(task, Serve):
            yield Log("loading")
            yield Log("warming up")
        yield from super().default_script(task, attempt)


def test_ask_waits_for_an_endpoint_that_is_starting(call: Call) -> None:
    with StubServer("lang:go foo", key="fake-api-key") as server:
        provider = Starting(url=server.url)
        for step in ("train", "merge"):
            call(step, "--run-name", "first", provider=provider)
        assert call("deploy", "--run-name", "first", "--detach", provider=provider).code == 0
        assert call("key", provider=provider).out == "fake-api-key\n"
        done = call("ask", "foo in go", "--run-name", "first", provider=provider)
        assert (done.code, done.out) == (0, "lang:go foo\n")
        assert done.err.splitlines()[:3] == ["fake:first.serve is starting.", "loading", "warming up"]
        assert "starting" not in call("ask", "foo in go", provider=provider).err


def test_ctrl_c_while_ask_waits_leaves_the_endpoint_starting(call: Call) -> None:
    class Interrupted(Starting):
        def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
            if run_id == "first.serve" and after:
                raise KeyboardInterrupt
            return super().events(run_id, after=after)

    provider = Interrupted()
    for step in ("train", "merge", "deploy"):
        call(step, "--run-name", "first", *(["--detach"] if step == "deploy" else []), provider=provider)
    done = call("ask", "foo in go", "--json", provider=provider)
    assert done.code == 130
    assert done.json["ref"] == "fake:first.serve"
    assert "still starting" in done.err
    assert provider.runs()[-1].state == "running"


def test_what_to_deploy_is_named(call: Call) -> None:
    assert "deploy --run-name NAME" in call("ask", "go").err
    for step in ("train", "merge"):
        call(step, "--run-name", "first")
    assert "deploy --run-name first" in call("ask", "go").err


def test_deploy_that_is_refused_announces_nothing(call: Call) -> None:
    for step in ("train", "merge", "deploy"):
        call(step, "--run-name", "first")
    done = call("deploy", "--run-name", "first", "--port", "4000")
    assert done.code == 2
    assert done.err.startswith("error: The run first.serve exists")


def test_ask_another_server(call: Call) -> None:
    os.environ["MY_KEY"] = "k-1"
    with StubServer("lang:go", key="k-1") as server:
        done = call("ask", "go", "--url", server.url, "--api-key-env", "MY_KEY", "--model", "m")
        assert done.out == "lang:go\n"
        assert server.asked[0].body["model"] == "m"
        wrong = call("ask", "go", "--url", server.url)
    assert wrong.code == 1
    assert "401" in wrong.err


def test_ask_a_server_that_refuses(call: Call) -> None:
    with StubServer(status(400, "too long")) as server:
        done = call("ask", "go", "--url", server.url)
    assert done.code == 1
    assert "400" in done.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["ask", "go"], "No endpoint is up at fake"),
        (["ask", " "], "The question is empty"),
        (["ask", "go", "--api-key-env", "X"], "goes with --url"),
        (["ask", "go", "--url", "http://h/v1", "--api-key-env", "X"], "X is not set"),
        (["ask", "go", "--url", "h"], "is not a URL"),
        (["ask", "go", "--url", "http://h/v1", "--run-name", "x"], "two endpoints"),
        (["key"], "No endpoint is up"),
        (["key", "--run-name", "gone"], "No run is called 'gone'"),
    ],
)
def test_no_endpoint_to_ask(call: Call, argv: list[str], said: str) -> None:
    done = call(*argv)
    assert done.code == 2
    assert said in done.err


def test_several_endpoints_have_to_be_told_apart(call: Call, fake: FakeProvider) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        call("train", "--run-name", name, "--set", f"seed={seed}")
        call("merge", "--run-name", name)
        call("deploy", "--run-name", name)
    done = call("key")
    assert done.code == 2
    assert "one, two" in done.err
    assert call("key", "--run-name", "two").out == "fake-api-key\n"
    assert call("stop", "--run-name", "two", "--json").json == {"stopped": ["two.serve"], "left": {}}
    assert call("key").out == "fake-api-key\n"
    assert call("stop", "--all").out == "Stopped one.serve.\n"
    assert call("stop", "--all").out == "No endpoint was up.\n"
    assert {record.state for record in fake.runs() if record.task.kind == "serve"} == {"cancelled"}
    gone = call("key", "--run-name", "two")
    assert gone.code == 2
    assert "is not up: it stopped: cancelled" in gone.err


def test_stop_all_tells_what_was_left_behind_and_what_stays(call: Call) -> None:
    class Leaving(FakeProvider):
        def reap(self) -> Reaped:
            return Reaped(["app-1"], {"app-2": "its runs are elsewhere"})

    done = call("stop", "--all", provider=Leaving())
    assert (done.out, done.err) == ("Stopped app-1.\n", "Left app-2: its runs are elsewhere.\n")
    told = call("stop", "--all", "--json", provider=Leaving()).json
    assert told == {"stopped": ["app-1"], "left": {"app-2": "its runs are elsewhere"}}


def test_what_an_error_could_not_take_back_is_told_with_it(call: Call) -> None:
    class Failing(FakeProvider):
        def reap(self) -> Reaped:
            error = ProviderError("The app cannot be stopped.", hint="Stop it by hand.")
            error.add_note("Besides: a token is left")
            raise error

    done = call("stop", "--all", provider=Failing())
    assert done.code == 1
    assert done.err == "error: The app cannot be stopped.\nStop it by hand.\nBesides: a token is left\n"


@pytest.mark.parametrize("argv", [["stop"], ["stop", "--all", "--run-name", "x"]])
def test_stop_wants_to_know_which(call: Call, argv: list[str]) -> None:
    assert call(*argv).code == 2


_DEPLOY_TO_A_SERVER_THAT_NEVER_COMES_UP = """
import sys
from nls_sdk.cli import main
from nls_sdk.events import Log
from nls_sdk.testing import FakeProvider

class Provider(FakeProvider):
    def default_script(self, task, attempt):
        if task.kind != "serve":
            yield from super().default_script(task, attempt)
        while task.kind == "serve":
            yield Log("loading")

provider = Provider()
for step in ("train", "merge"):
    assert main([step, "--run-name", "first"], provider=provider) == 0
sys.argv[1:] = ["deploy", "--run-name", "first"]
code = main(provider=provider)
print(code, provider.runs()[-1].run_id, provider.runs()[-1].state)
"""


def test_a_signal_stops_a_server_that_is_not_up_yet() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _DEPLOY_TO_A_SERVER_THAT_NEVER_COMES_UP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert any("loading" in line for line in process.stderr)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "130 first.serve cancelled"
    assert "not up yet, and is stopped" in err


def test_a_run_is_asked_with_the_system_message_of_its_data(call: Call, data: Path) -> None:
    Dataset.from_pairs([("a", "lang:go")], system="Mine.").write(data / "train.jsonl")
    with StubServer("lang:go", key="fake-api-key") as server:
        fake = FakeProvider(url=server.url)
        for step in ("train", "merge"):
            call(step, "--run-name", "first", provider=fake)
        assert '"content": "Mine."' in call("deploy", "--run-name", "first", provider=fake).out
        call("ask", "go", provider=fake)
        assert server.asked[-1].body["messages"][0]["content"] == "Mine."


def test_any_field_of_how_it_is_served_can_be_set(call: Call) -> None:
    provider = FakeProvider()
    for step in ("train", "merge"):
        call(step, "--run-name", "first", provider=provider)
    wrong = call("deploy", "--run-name", "first", "--set", "precison=fp8", provider=provider)
    assert wrong.code == 2
    assert "unknown key 'precison'" in wrong.err
    assert "'precision'" in wrong.err
    done = call(
        "deploy", "--run-name", "first", "--set", "precision=fp8", "--port", "8123", provider=provider
    )
    assert done.code == 0
    task = provider.submitted[-1]
    assert isinstance(task, Serve)
    assert (task.config.precision, task.config.port) == ("fp8", 8123)


def test_adapters_are_deployed_beside_their_base_and_asked_by_their_names(call: Call) -> None:
    with StubServer("lang:go", key="fake-api-key") as server:
        provider = FakeProvider(url=server.url)
        for name in ("a", "b"):
            assert (
                call("train", "--run-name", name, "--set", f"seed={ord(name)}", provider=provider).code == 0
            )
        done = call("deploy", "--run-name", "both", "--adapter", "a", "--adapter", "b", provider=provider)
        assert done.code == 0
        assert "Model: llm, a, b" in done.out
        task = provider.submitted[-1]
        assert isinstance(task, Serve)
        assert [adapter.name for adapter in task.adapters] == ["a", "b"]
        assert call("ask", "q", "--model", "b", provider=provider).out == "lang:go\n"
        assert server.asked[-1].body["model"] == "b"
        twice = call("deploy", "--run-name", "both", "--adapter", "a", "--adapter", "a", provider=provider)
        assert twice.code == 2
        assert "cannot both be called 'a'" in twice.err


def test_ask_says_what_became_of_an_answer_that_would_be_refused(call: Call) -> None:
    with StubServer("lang:pyton x", "lang:python x", key="fake-api-key") as server:
        provider = FakeProvider(url=server.url)
        for step in ("train", "merge", "deploy"):
            call(step, "--run-name", "first", provider=provider)
        done = call("ask", "x in python", provider=provider)
        assert (done.code, done.out) == (0, "lang:python x\n")
        assert "The model's own answer 'lang:pyton x' would be refused by Sourcegraph" in done.err


def test_ask_freely(call: Call) -> None:
    with StubServer("lang:pyton x", key="fake-api-key") as server:
        provider = FakeProvider(url=server.url)
        for step in ("train", "merge", "deploy"):
            call(step, "--run-name", "first", provider=provider)
        found = call("ask", "x", "--decoding", "free", "--json", provider=provider).json
        assert (found["query"], found["decoding"], found["fault"]) == ("lang:pyton x", "free", None)
        assert len(server.asked) == 1


def test_export_writes_a_folder_with_a_card(call: Call, tmp_path: Path) -> None:
    provider = FakeProvider()
    for step in ("train", "merge"):
        call(step, "--run-name", "first", provider=provider)
    to = tmp_path / "out"
    done = call("export", "--run-name", "first", "--to", str(to), provider=provider)
    assert (done.code, done.out) == (0, f"{to}\n")
    assert "# first" in (to / "README.md").read_text()
    again = call("export", "--run-name", "first", "--to", str(to), provider=provider)
    assert again.code != 0
    assert "Traceback" not in again.err
