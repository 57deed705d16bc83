"""What a run tells however its worker ends, and that nothing of it is left, with a worker that is a stub."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from client import STUB
from processes import supervisor_of, wait_for, worker_of

from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ProviderError
from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded
from nls_sdk.providers import ENDED, RunRecord
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import Serve, Train
from nls_sdk_local import LocalProvider
from nls_sdk_local.process import processes_of


def train(name: str) -> Train:
    data = Artifact(path="artifacts/none", digest="0" * 64, size=0)
    return Train(name=name, base="some/model", data=data, recipe=Recipe())


def folder(provider: LocalProvider, run_id: str) -> Path:
    return provider.home / "runs" / run_id


def record(provider: LocalProvider, run_id: str) -> RunRecord:
    return next(record for record in provider.runs() if record.run_id == run_id)


def ended(provider: LocalProvider, run_id: str) -> list[Event]:
    wait_for(lambda: record(provider, run_id).state in ENDED)
    return list(provider.events(run_id))


def of(provider: LocalProvider, task: Train | Serve) -> list[Event]:
    return ended(provider, provider.submit(task))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 512):
            pass


def test_a_success_is_what_done_says(provider: LocalProvider) -> None:
    *told, end = of(provider, train("quick"))
    assert Log("a line", seq=told[0].seq, time=told[0].time) in told
    assert [event.step for event in told if isinstance(event, Progress)] == [1, 2, 3]
    assert isinstance(end, Succeeded)
    assert end.outputs["adapter"].path == "runs/quick.train/adapter"


def test_a_success_without_done_is_not_believed(provider: LocalProvider) -> None:
    end = of(provider, train("liar"))[-1]
    assert isinstance(end, Failed)
    assert "DONE.json" in end.message


def test_done_is_believed_without_a_word(provider: LocalProvider) -> None:
    assert of(provider, train("wordless"))[-1] == Succeeded(
        seq=1, time=record(provider, "wordless.train").updated, metrics={"seconds": 1.0}
    )


def test_a_failure_that_is_told_keeps_its_hint(provider: LocalProvider) -> None:
    end = of(provider, train("honest"))[-1]
    assert isinstance(end, Failed)
    assert (end.message, end.hint) == ("the loss is not a number", "Lower the rate.")


def test_a_silent_exit_names_its_code(provider: LocalProvider) -> None:
    end = of(provider, train("exiting"))[-1]
    assert isinstance(end, Failed)
    assert "exit code 3" in end.message


def test_a_worker_that_cannot_start_names_the_command(tmp_path: Path) -> None:
    end = of(LocalProvider(tmp_path, worker=["/no/such/python"]), train("any"))[-1]
    assert isinstance(end, Failed)
    assert "/no/such/python" in end.message


def test_a_killed_worker_is_started_again_in_its_folder(provider: LocalProvider) -> None:
    end = of(provider, train("suicidal"))[-1]
    assert isinstance(end, Failed)
    assert "SIGKILL" in end.message
    assert "memory" in end.hint
    assert "checkpoint" in end.hint
    path = folder(provider, "suicidal.train")
    (path / "checkpoints" / "mended").touch()
    again = of(provider, train("suicidal"))
    assert isinstance(again[-1], Succeeded)
    assert [event.seq for event in again] == list(range(end.seq + 1, end.seq + 1 + len(again)))
    assert list(provider.events("suicidal.train", after=end.seq)) == again
    assert "SIGKILL" in (path / "events-1.jsonl").read_text()


def test_output_is_told_line_by_line_and_secrets_are_not(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_for_anybody")
    texts = [event.text for event in of(provider, train("chatty")) if isinstance(event, Log)]
    assert "30%|###" in texts
    assert '{"event": "log"}' in texts
    assert '{"not": "an event"}' in texts
    assert "the key is , the token is ***" in texts


def test_secrets_that_json_escapes_are_not_told_either(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'hünter"2\\tail'
    monkeypatch.setenv("HF_TOKEN", secret)
    events = of(provider, train("leaky"))
    assert next(event.text for event in events if isinstance(event, Log)) == "the token is ***"
    end = events[-1]
    assert isinstance(end, Failed)
    assert (end.message, end.hint) == ("refused: ***", "not *** again")
    log = (folder(provider, "leaky.train") / "events.jsonl").read_text()
    assert "nter" not in log
    assert "tail" not in log


def test_cancel_leaves_no_process(provider: LocalProvider) -> None:
    run_id = provider.submit(train("stubborn"))
    path = folder(provider, run_id)
    found = wait_for(lambda: len(seen := processes_of(path)) == 4 and seen)
    wait_for(lambda: provider.events(run_id))
    provider.cancel(run_id)
    assert provider.events(run_id)[-1] == Cancelled(seq=2, time=record(provider, run_id).updated)
    wait_for(lambda: not any(process.is_running() for process in found))


def test_an_ended_worker_leaves_no_process(provider: LocalProvider) -> None:
    run_id = provider.submit(train("littering"))
    assert isinstance(ended(provider, run_id)[-1], Succeeded)
    wait_for(lambda: not processes_of(folder(provider, run_id)))


def test_a_cancelled_run_starts_again(provider: LocalProvider) -> None:
    run_id = provider.submit(train("long"))
    provider.cancel(run_id)
    provider.submit(train("long"))
    wait_for(lambda: provider.events(run_id))
    assert record(provider, run_id).state == "running"


def test_cancel_ends_a_run_whose_supervisor_is_frozen(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nls_sdk_local.provider._PATIENCE", 1.0)
    run_id = provider.submit(train("long"))
    os.kill(supervisor_of(folder(provider, run_id)).pid, signal.SIGSTOP)
    provider.cancel(run_id)
    assert isinstance(provider.events(run_id)[-1], Cancelled)
    wait_for(lambda: not processes_of(folder(provider, run_id)))


def test_a_killed_supervisor_is_a_failure_and_takes_the_worker_along(provider: LocalProvider) -> None:
    run_id = provider.submit(train("long"))
    path = folder(provider, run_id)
    worker = worker_of(path)
    wait_for(lambda: provider.events(run_id))
    os.kill(supervisor_of(path).pid, signal.SIGKILL)
    end = ended(provider, run_id)[-1]
    assert isinstance(end, Failed)
    assert "supervisor" in end.message
    wait_for(lambda: not worker.is_running())
    assert [event.seq for event in provider.events(run_id)] == list(range(1, end.seq + 1))


def test_a_supervisor_told_to_end_says_so(provider: LocalProvider) -> None:
    run_id = provider.submit(train("long"))
    path = folder(provider, run_id)
    wait_for(lambda: provider.events(run_id))
    os.kill(supervisor_of(path).pid, signal.SIGTERM)
    end = ended(provider, run_id)[-1]
    assert isinstance(end, Failed)
    assert "SIGTERM" in end.message
    wait_for(lambda: not processes_of(path))


def test_a_torn_last_line_is_no_event(provider: LocalProvider) -> None:
    run_id = provider.submit(train("long"))
    path = folder(provider, run_id)
    wait_for(lambda: len(provider.events(run_id)) > 2)
    os.kill(supervisor_of(path).pid, signal.SIGKILL)
    wait_for(lambda: not processes_of(path))
    with (path / "events.jsonl").open("a") as file:
        file.write('{"event": "progress", "st')
    events = ended(provider, run_id)
    assert isinstance(events[-1], Failed)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_servers_key_is_in_one_file_and_gone_with_it(provider: LocalProvider) -> None:
    run_id = provider.submit(Serve(name="server", model="some/model"))
    path = folder(provider, run_id)
    assert isinstance(wait_for(lambda: provider.events(run_id))[0], Ready)
    key = provider.api_key(run_id)
    assert key
    assert wait_for(lambda: (path / "key-seen").exists() and (path / "key-seen").read_text()) == str(len(key))
    assert stat.S_IMODE(provider.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "api-key").stat().st_mode) == 0o600
    holding = [file for file in provider.home.rglob("*") if file.is_file() and key in file.read_text()]
    assert holding == [path / "api-key"]
    assert not [process for process in processes_of(path) if key in " ".join(process.cmdline())]
    provider.cancel(run_id)
    assert provider.api_key(run_id) is None
    assert not (path / "api-key").exists()


def test_a_server_that_ended_is_started_anew_under_any_configuration(provider: LocalProvider) -> None:
    idle = Serve(name="idle", model="some/model")
    end = of(provider, idle)[-1]
    assert isinstance(end, Cancelled)
    assert end.reason == "idle for 0 s"
    assert record(provider, idle.run_id).url is None
    other = Serve(name="idle", model="another/model")
    assert isinstance(of(provider, other)[-1], Cancelled)
    assert record(provider, idle.run_id).task == other


def test_polls_take_no_time(provider: LocalProvider) -> None:
    run_id = provider.submit(train("long"))
    wait_for(lambda: provider.events(run_id))
    begun = time.monotonic()
    for _ in range(50):
        provider.events(run_id, after=10_000)
    assert time.monotonic() - begun < 2.0


def test_a_disk_that_fills_up_ends_the_run_and_refuses_the_next(small_disk: Path) -> None:
    provider = LocalProvider(small_disk, worker=STUB)
    run_id = provider.submit(train("flood"))
    end = ended(provider, run_id)[-1]
    assert isinstance(end, Failed)
    assert "No space left" in end.message or "supervisor" in end.message
    wait_for(lambda: not processes_of(folder(provider, run_id)))
    fill(small_disk / "filler")
    with pytest.raises(ProviderError, match="No space left") as caught:
        provider.submit(train("quick"))
    assert "NLS_HOME" in caught.value.hint
