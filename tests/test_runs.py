"""Runs: events as they come, results, failures with their last words, and retries."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nls_sdk.errors import (
    NlsError,
    ProviderError,
    ProviderUnavailable,
    RunCancelled,
    RunFailed,
    RunNotFound,
)
from nls_sdk.events import Event, Failed, Log, Progress, Ready, Succeeded
from nls_sdk.recipe import Recipe
from nls_sdk.runs import Run, find_run
from nls_sdk.tasks import Serve, Task, Train
from nls_sdk.testing import FakeProvider


def run_of(*told: Event | NlsError, task: Task | None = None) -> tuple[FakeProvider, Run[object]]:
    """A run whose job tells these things."""

    def script(task: Task, attempt: int) -> Iterable[Event | NlsError]:
        return told

    provider = FakeProvider(script)
    if task is None:
        data = provider.keep({"data.jsonl": b"{}"})
        task = Train(name="first", base="some/model", data=data, recipe=Recipe())
    return provider, Run(provider, provider.submit(task), lambda end: end)


def test_events_come_in_order_and_end_with_the_result() -> None:
    _, run = run_of(Log("loading"), Progress(1, 2), Progress(2, 2), Succeeded(metrics={"train_loss": 0.5}))
    events = list(run.events())
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert [event.step for event in events if isinstance(event, Progress)] == [1, 2]
    assert isinstance(events[-1], Succeeded)
    assert run.result() == events[-1]


def test_events_can_go_on_where_another_client_stopped() -> None:
    _, run = run_of(Log("one"), Log("two"), Succeeded())
    list(run.events())
    assert [event.seq for event in run.events(after=2)] == [3]


def test_a_server_has_its_result_when_it_is_ready() -> None:
    _, run = run_of(
        Log("loading"), Ready("http://there/v1", "llm"), task=Serve(name="first", model="some/model")
    )
    assert [type(event) for event in run.events()] == [Log, Ready]
    assert run.record().state == "ready"


def test_a_failure_names_the_run_and_its_last_words() -> None:
    words = [Log(f"line {i}") for i in range(8)]
    _, run = run_of(*words, Failed("out of memory", hint="Take a smaller batch."))
    with pytest.raises(RunFailed) as caught:
        run.result()
    assert caught.value.message.splitlines() == [
        "Run fake:first.train failed: out of memory",
        "Its last words:",
        *(f"  line {i}" for i in range(3, 8)),
    ]
    assert caught.value.hint == "Take a smaller batch."


def test_a_worker_that_died_is_a_failure() -> None:
    _, run = run_of(Progress(1, 2))
    with pytest.raises(RunFailed, match="died without a word"):
        run.result()


def test_a_cancelled_run_says_why() -> None:
    provider, run = run_of(Log("loading"), Log("still"), Log("and on"))
    run.cancel()
    run.cancel()
    with pytest.raises(RunCancelled, match="was stopped: cancelled"):
        run.result()
    assert run.record().state == "cancelled"
    assert len(provider.events(run.run_id)) == 1


def test_a_provider_that_does_not_answer_is_asked_again() -> None:
    _, run = run_of(
        Log("one"), ProviderUnavailable("503"), ProviderUnavailable("503"), Log("two"), Succeeded()
    )
    assert [event.seq for event in run.events()] == [1, 2, 3]


def test_an_error_that_a_retry_cannot_help_is_raised_at_once() -> None:
    provider, run = run_of(ProviderError("refused"), Succeeded())
    with pytest.raises(ProviderError, match="refused"):
        run.result()
    assert len(provider.events(run.run_id)) == 1


def test_a_run_that_is_gone_is_not_found() -> None:
    provider, run = run_of(Succeeded())
    with pytest.raises(RunNotFound) as caught:
        find_run(provider, "frist.train")
    assert "first.train" in caught.value.hint
    assert run.record().run_id == "first.train"


def test_a_run_shows_its_reference() -> None:
    _, run = run_of(Succeeded())
    assert run.ref == "fake:first.train"
    assert repr(run) == "<Run fake:first.train>"
