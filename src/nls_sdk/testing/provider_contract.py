"""ProviderContract: what every provider must do, as a suite that its author inherits."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve

from ..artifacts import Artifact, fingerprint
from ..dataset import Dataset
from ..errors import ArtifactError, RunNameTaken, RunNotFound
from ..events import Cancelled, Failed, Log, Progress, Ready, Succeeded, dump_event
from ..models import push_base, serve_run
from ..providers import API_VERSION, ENDED, Check, Estimate, Provider, RunRecord
from ..recipe import Recipe
from ..tasks import Merge, Serve, Train
from ..training import push_dataset
from .random_model import make_random_model
from .waiting import Waiting

_PAIRS = [(f"find {word} in go files", f"lang:go {word}") for word in ("cats", "dogs", "owls", "eels")]
_FOREVER = 1_000_000
_STEPS_TO_KEEP = 3
"""A checkpoint at every step, and this many told: the one before the last is stored for certain."""
_SUBMIT_AND_DIE = """
import os, pickle, signal, sys
provider, tasks = pickle.load(sys.stdin.buffer)
for task in tasks:
    provider.submit(task)
os.kill(os.getpid(), signal.SIGKILL)
"""


class ProviderContract(Waiting):
    """Inherit it, and give it a fixture `provider`; each test is a promise that `Provider` makes.

    The jobs are real and small: a model of random weights is trained for two steps, and served. When the
    fixture returns one provider for all tests (`scope="module"`), seventeen workers are started, and twelve
    of them stopped early.

    Attributes:
        soon: Seconds within which a method returns.
        patience: Seconds that a small job may take from its start to its end, waiting for a machine included.
    """

    soon: float = 10.0

    @pytest.fixture
    def model_folder(self, tmp_path: Path) -> Path:
        """A base model. Override it where one of random weights cannot be used."""
        return make_random_model(tmp_path / "random-model")

    @pytest.fixture
    def kill_worker(self, provider: Provider) -> Callable[[str], None]:
        """How to end a running run's worker as the out-of-memory killer would. Override it."""
        pytest.skip("the suite was not told how to kill a worker (fixture kill_worker): unproven")

    @pytest.fixture
    def submit_and_die(self, provider: Provider) -> Callable[..., None]:
        """How to submit servers, in order, from one process that is killed as soon as it has.

        The provider is pickled for that; override it where it cannot be.
        """
        try:
            pickle.dumps(provider)
        except Exception as error:
            pytest.skip(f"the provider cannot be pickled (fixture submit_and_die): unproven: {error}")

        def submit(*tasks: Serve) -> None:
            command = [sys.executable, "-c", _SUBMIT_AND_DIE]
            done = subprocess.run(command, input=pickle.dumps((provider, tasks)), capture_output=True)
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()

        return submit

    @pytest.fixture
    def train(self, provider: Provider, model_folder: Path) -> Train:
        """A training of two steps."""
        data = push_dataset(provider, Dataset.from_pairs(_PAIRS))
        recipe = Recipe(dtype="float32", learning_rate=1e-3, max_steps=2, logging_steps=1)
        base = push_base(provider, str(model_folder))
        return Train(name="contract", base=base, data=data, recipe=recipe)

    @pytest.fixture
    def endless(self, provider: Provider, train: Train) -> Iterator[Train]:
        """A training that does not end by itself."""
        task = evolve(train, name="endless", recipe=evolve(train.recipe, max_steps=_FOREVER))
        yield task
        self._cancel_if_there(provider, task)

    @pytest.fixture
    def server(self, provider: Provider, train: Train) -> Iterator[Serve]:
        """A server of the base model."""
        task = Serve(name="contract", model=train.base)
        yield task
        self._cancel_if_there(provider, task)

    # What it is

    def test_states_its_api_version_and_name(self, provider: Provider) -> None:
        """Plugins of another version are refused; the name stands in references before a colon."""
        assert provider.api_version == API_VERSION
        assert provider.name
        assert ":" not in provider.name
        assert " object at 0x" not in repr(provider), "its repr says which provider it is"

    def test_checks_are_findings_with_a_fix(self, provider: Provider) -> None:
        """`check` finds, and never raises."""
        findings = provider.check()
        assert findings
        for finding in findings:
            assert isinstance(finding, Check)
            assert finding.name
            assert finding.message
            assert finding.fix or finding.status == "ok", f"{finding.name} is not ok, and no fix is told"

    def test_estimates_say_what_they_rest_on(self, provider: Provider, train: Train) -> None:
        """Unknown is None, never a guess out of nothing."""
        estimate = provider.estimate(train)
        assert isinstance(estimate, Estimate)
        assert estimate.basis
        assert estimate.seconds is None or estimate.seconds >= 0
        assert estimate.dollars is None or estimate.dollars >= 0

    # Artifacts

    def test_artifacts_are_known_by_content(self, provider: Provider, tmp_path: Path) -> None:
        """The same bytes are the same artifact, whatever the file is called."""
        first, second = tmp_path / "first.txt", tmp_path / "second.bin"
        first.write_bytes(b"the same")
        second.write_bytes(b"the same")
        artifact = provider.push(first)
        assert (artifact.digest, artifact.size) == fingerprint(first)
        assert provider.push(second) == artifact
        second.write_bytes(b"other")
        assert provider.push(second).digest != artifact.digest

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_pull_gives_back_what_was_pushed(self, provider: Provider, tmp_path: Path, kind: str) -> None:
        """Every byte, of files and folders."""
        source = tmp_path / kind
        if kind == "folder":
            (source / "deep" / "er").mkdir(parents=True)
            (source / "deep" / "er" / "weights").write_bytes(bytes(range(256)) * 64)
            (source / "empty").write_bytes(b"")
        else:
            source.write_bytes(b"\x00\xff a file")
        artifact = provider.push(source)
        to = provider.pull(artifact, tmp_path / "pulled")
        assert fingerprint(to) == (artifact.digest, artifact.size) == fingerprint(source)

    def test_what_holds_no_file_is_refused(self, provider: Provider, tmp_path: Path) -> None:
        """The error names it: not every store knows empty folders, and nobody means to store nothing."""
        (tmp_path / "hollow" / "deep").mkdir(parents=True)
        for path in (tmp_path / "hollow", tmp_path / "nowhere"):
            with pytest.raises(ArtifactError, match=path.name):
                provider.push(path)

    def test_pull_overwrites_nothing(self, provider: Provider, tmp_path: Path) -> None:
        """What is there stays."""
        file = tmp_path / "file"
        file.write_text("mine")
        with pytest.raises(ArtifactError):
            provider.pull(provider.push(file), file)
        assert file.read_text() == "mine"

    def test_pull_checks_the_digest(self, provider: Provider, tmp_path: Path) -> None:
        """Bytes that are not those that were stored are an error, and nothing is left behind."""
        file, to = tmp_path / "file", tmp_path / "pulled"
        file.write_text("stored")
        artifact = provider.push(file)
        with pytest.raises(ArtifactError):
            provider.pull(evolve(artifact, digest="0" * 64), to)
        with pytest.raises(ArtifactError):
            provider.pull(Artifact(path="artifacts/none", digest="0" * 64, size=1), to)
        assert not to.exists()

    # A run, from its start to its end

    def test_a_run_succeeds(self, provider: Provider, train: Train, tmp_path: Path) -> None:
        """Submitting returns at once; the events are numbered without gaps and end with what was made."""
        begun = time.monotonic()
        run_id = provider.submit(train)
        assert time.monotonic() - begun < self.soon
        assert run_id == train.run_id
        events = self._until_ended(provider, run_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.time for event in events] == sorted(event.time for event in events)
        assert [e for e in events if isinstance(e, Succeeded | Failed | Cancelled)] == events[-1:]
        end = events[-1]
        assert isinstance(end, Succeeded)
        adapter = end.outputs["adapter"]
        assert fingerprint(provider.pull(adapter, tmp_path / "adapter")) == (adapter.digest, adapter.size)

    def test_events_begin_after_a_number(self, provider: Provider, train: Train) -> None:
        """A client that saw `n` events asks for those after `n`, from any process, any time later."""
        events = self._finished(provider, train)
        for after in (0, 1, len(events) - 1, len(events), len(events) + 7):
            assert list(provider.events(train.run_id, after=after)) == events[after:]

    def test_records_are_complete(self, provider: Provider, train: Train) -> None:
        """The record holds the task as it was submitted, and survives pickling."""
        events = self._finished(provider, train)
        record = self._record(provider, train)
        assert record == RunRecord(
            run_id=train.run_id,
            task=train,
            state="succeeded",
            created=record.created,
            updated=events[-1].time,
            progress=[event for event in events if isinstance(event, Progress)][-1],
            end=record.end,
        )
        assert record.end == events[-1]
        assert record.created <= record.updated
        assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301  # our own bytes
        created = [record.created for record in provider.runs()]
        assert created == sorted(created)

    def test_the_same_task_is_the_same_run(self, provider: Provider, train: Train) -> None:
        """A run that succeeded is attached to, not repeated."""
        events = self._finished(provider, train)
        assert provider.submit(train) == train.run_id
        assert list(provider.events(train.run_id)) == events
        assert [record.run_id for record in provider.runs()].count(train.run_id) == 1

    def test_a_name_belongs_to_its_configuration(self, provider: Provider, train: Train) -> None:
        """Another configuration under the name is refused, says what differs, and harms nothing."""
        events = self._finished(provider, train)
        other = evolve(train, recipe=evolve(train.recipe, learning_rate=2e-3))
        with pytest.raises(RunNameTaken, match="learning_rate"):
            provider.submit(other)
        assert list(provider.events(train.run_id)) == events

    def test_an_unknown_run_is_not_found(self, provider: Provider, train: Train) -> None:
        """The hint names the near ones."""
        self._finished(provider, train)
        calls: list[Callable[[str], object]] = [provider.events, provider.cancel, provider.api_key]
        for call in calls:
            with pytest.raises(RunNotFound) as caught:
                call(train.run_id[:-1])
            assert train.run_id in caught.value.hint

    def test_a_live_run_is_attached_to(self, provider: Provider, endless: Train) -> None:
        """Whoever submits it, at once or again: one run, started once, that goes on as it was."""
        with ThreadPoolExecutor(4) as clients:
            assert set(clients.map(provider.submit, [endless] * 4)) == {endless.run_id}
        self._until(provider, endless.run_id, Log, Progress)
        events = list(provider.events(endless.run_id))
        assert provider.submit(endless) == endless.run_id
        assert list(provider.events(endless.run_id))[: len(events)] == events
        assert [record.run_id for record in provider.runs()].count(endless.run_id) == 1
        assert self._record(provider, endless).state == "running"

    # A run that is stopped

    def test_cancel_stops_a_run(self, provider: Provider, endless: Train) -> None:
        """Polls do not wait; cancelling twice is cancelling once; a cancelled run can be started again."""
        provider.submit(endless)
        begun = time.monotonic()
        provider.events(endless.run_id, after=_FOREVER)
        assert time.monotonic() - begun < self.soon
        assert self._record(provider, endless).state not in ENDED
        provider.cancel(endless.run_id)
        events = self._until_ended(provider, endless.run_id)
        assert isinstance(events[-1], Cancelled)
        provider.cancel(endless.run_id)
        assert list(provider.events(endless.run_id)) == events
        assert self._record(provider, endless).state == "cancelled"
        provider.submit(endless)
        assert self._record(provider, endless).state not in ENDED

    def test_a_training_goes_on_where_it_was_stopped(self, provider: Provider, endless: Train) -> None:
        """Its checkpoints outlive an attempt that told nothing, and no other configuration replaces them.

        How its steps are split into forward passes is no part of the configuration.
        """
        task = evolve(endless, name="stopped", recipe=evolve(endless.recipe, checkpoint_steps=1))
        batch, passes = task.recipe.per_device_batch_size, task.recipe.gradient_accumulation_steps
        split = evolve(task.recipe, per_device_batch_size=batch // 2, gradient_accumulation_steps=passes * 2)
        smaller = evolve(task, recipe=split)
        other = evolve(task, recipe=evolve(task.recipe, learning_rate=2e-3))
        try:
            reached = last = 0
            provider.submit(task)
            while reached < _STEPS_TO_KEEP:
                progress = self._until(provider, task.run_id, Progress, after=last)
                reached, last = progress.step, progress.seq
            for _ in range(2):
                provider.cancel(task.run_id)
                last = self._until_ended(provider, task.run_id)[-1].seq
                kept = self._record(provider, task).progress
                assert kept is not None, "the record forgot what an earlier attempt reached"
                assert kept.step >= reached
                with pytest.raises(RunNameTaken, match="learning_rate"):
                    provider.submit(other)
                provider.submit(smaller)
            assert self._record(provider, task).task == smaller
            resumed = self._until(provider, task.run_id, Progress, after=last)
            assert resumed.step > 1, "it started from the beginning"
        finally:
            self._cancel_if_there(provider, task)

    def test_cancelling_an_ended_run_changes_nothing(self, provider: Provider, train: Train) -> None:
        """What succeeded stays so."""
        events = self._finished(provider, train)
        provider.cancel(train.run_id)
        assert list(provider.events(train.run_id)) == events
        assert self._record(provider, train).state == "succeeded"

    def test_a_worker_that_dies_in_silence_has_failed(
        self, provider: Provider, endless: Train, kill_worker: Callable[[str], None]
    ) -> None:
        """Nobody waits for ever for a worker that was killed, and its run can be started again."""
        task = evolve(endless, name="killed")
        provider.submit(task)
        try:
            kill_worker(task.run_id)
            events = self._until_ended(provider, task.run_id)
            assert isinstance(events[-1], Failed)
            assert events[-1].message
            assert self._record(provider, task).state == "failed"
            provider.submit(task)
            assert self._record(provider, task).state not in ENDED
        finally:
            self._cancel_if_there(provider, task)

    def test_a_job_that_cannot_be_done_has_failed(self, provider: Provider, train: Train) -> None:
        """The event says why."""
        task = Merge(name="impossible", base=train.base, adapter=train.data)
        provider.submit(task)
        end = self._until_ended(provider, task.run_id)[-1]
        assert isinstance(end, Failed)
        assert end.message

    def test_a_new_attempt_numbers_on(self, provider: Provider, train: Train) -> None:
        """A client that saw the old attempt's events misses none of the new one's; each shows its own."""
        task = Merge(name="again", base=train.base, adapter=train.data)
        last = 0
        for _ in range(2):
            provider.submit(task)
            self._until(provider, task.run_id, Failed, after=last)
            events = list(provider.events(task.run_id, after=last))
            assert list(provider.events(task.run_id)) == events
            assert [event.seq for event in events] == list(range(last + 1, last + 1 + len(events)))
            last = events[-1].seq

    # A server

    def test_a_server_is_ready_until_it_is_cancelled(self, provider: Provider, server: Serve) -> None:
        """It answers whoever has its key; the key stands in no event, no record and no repr."""
        provider.submit(server)
        ready = self._until(provider, server.run_id, Ready)
        assert ready.url.endswith("/v1")
        record = self._record(provider, server)
        assert (record.state, record.url) == ("ready", ready.url)
        endpoint = serve_run(provider, server.run_id, server, max_tokens=4).result()
        assert isinstance(endpoint.translate("anything"), str)
        key = provider.api_key(server.run_id)
        if key is not None:
            told = [dump_event(event) for event in provider.events(server.run_id)]
            assert not [text for text in (*told, repr(record), repr(provider)) if key in text]
        with pytest.raises(RunNameTaken):
            provider.submit(evolve(server, config=evolve(server.config, model_name="another")))
        provider.cancel(server.run_id)
        assert isinstance(self._until_ended(provider, server.run_id)[-1], Cancelled)
        record = self._record(provider, server)
        assert (record.state, record.url) == ("cancelled", None)
        provider.submit(evolve(server, config=evolve(server.config, model_name="another")))
        assert self._record(provider, server).state not in ENDED

    def test_a_server_that_is_not_detached_ends_with_its_owner(
        self, provider: Provider, server: Serve, submit_and_die: Callable[..., None]
    ) -> None:
        """Whoever asked for it and was killed leaves nothing running that the user does not know of.

        One that was asked for as detached stays, and so does one that was taken over as such while it lived.
        """
        owned, taken = evolve(server, name="owned"), evolve(server, name="taken-over")
        detached = evolve(server, name="detached", detached=True)
        try:
            submit_and_die(owned, detached, taken, evolve(taken, detached=True))
            assert isinstance(self._until_ended(provider, owned.run_id)[-1], Cancelled)
            for task in (detached, taken):
                self._until(provider, task.run_id, Ready)
                assert self._record(provider, task).state == "ready"
        finally:
            for task in (owned, detached, taken):
                self._cancel_if_there(provider, task)
