"""FakeProvider: a provider that runs nothing, and tells what a script says."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

from attrs import define, evolve, field

from ..admission import admit
from ..artifacts import Artifact, artifact_of, fingerprint
from ..errors import ArtifactError, NlsError, RunNotFound
from ..events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded, Terminal
from ..providers import API_VERSION, Check, Estimate, RunRecord, state_of
from ..tasks import DryRun, Merge, Serve, Task, Train

Script: TypeAlias = Callable[[Task, int], Iterable[Event | NlsError]]
"""What a task tells at its attempt, counted from 1. An error is raised by one poll instead."""


class FakeProvider:
    """Keeps runs in memory and artifacts in a temporary folder; all is gone when it is.

    Each poll of a run's `events` brings the next event of its script, so that tests see a job going on
    without waiting for a clock. A script that ends with no word of the end is a worker that died; a server
    stays up.

    Attributes:
        submitted: The tasks that were submitted, in order, attached ones included.
    """

    api_version: ClassVar[int] = API_VERSION
    name = "fake"

    def __init__(
        self,
        script: Script | None = None,
        *,
        url: str = "http://127.0.0.1:9/v1",
        api_key: str = "fake-api-key",
        findings: Sequence[Check] = (Check("memory", "ok", "all there"),),
    ) -> None:
        """Make an empty provider.

        Args:
            script: What tasks tell. By default trainings take their recipe's `max_steps`, or three steps,
                and go on where an earlier attempt was stopped; everything that can be done succeeds, and
                servers are ready at once.
            url: The base URL that servers are ready at by default; port 9 of loopback refuses.
            api_key: The key that servers ask for.
            findings: What `check` returns.
        """
        self.submitted: list[Task] = []
        self._script = script or self.default_script
        self._url, self._api_key, self._findings = url, api_key, findings
        self._folder = tempfile.TemporaryDirectory(prefix="nls-fake-")
        self._runs: dict[str, _Run] = {}
        self._clock = 0.0
        self._lock = threading.Lock()

    def default_script(self, task: Task, attempt: int) -> Iterator[Event]:
        """What a task tells when nobody scripted it."""
        yield Log(f"attempt {attempt}")
        match task:
            case Train() | DryRun():
                total = task.recipe.max_steps or 3
                for step in range(self._reached(task) + 1, total + 1):
                    yield Progress(step, total, loss=1 / step, learning_rate=task.recipe.learning_rate)
                outputs = {}
                if isinstance(task, Train):
                    outputs["adapter"] = self.keep({"adapter_model": task.key.encode()})
                yield Succeeded(outputs=outputs, metrics={"train_loss": 1 / total})
            case Merge() if not (Path(self._folder.name) / task.adapter.path).is_dir():
                yield Failed("the adapter is no folder.")
            case Merge():
                yield Succeeded(outputs={"model": self.keep({"model": task.key.encode()})})
            case Serve():
                yield Ready(self._url, task.config.model_name)

    def keep(self, files: Mapping[str, bytes]) -> Artifact:
        """Store a folder of these files, for a script to succeed with."""
        with tempfile.TemporaryDirectory(prefix="nls-fake-") as folder:
            for name, data in files.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            return self.push(Path(folder))

    def kill(self, run_id: str) -> None:
        """Let a run's worker die without a word."""
        run = self._find(run_id)
        if run.end is None:
            run.told.append(self._stamped(Failed("the worker died without a word."), run))

    def check(self) -> Sequence[Check]:
        """The findings it was made with."""
        return list(self._findings)

    def push(self, path: Path) -> Artifact:
        """Store a file or folder."""
        artifact = artifact_of(path)
        target = Path(self._folder.name) / artifact.path
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            _copy(path, target)
        return artifact

    def pull(self, artifact: Artifact, to: Path) -> Path:
        """Copy an artifact to a new path, and check it."""
        if to.exists():
            raise ArtifactError(f"{to}: already exists, and nothing is overwritten.")
        stored = Path(self._folder.name) / artifact.path
        if not stored.exists():
            raise ArtifactError(f"{artifact.path}: the stored artifact is gone.")
        if fingerprint(stored)[0] != artifact.digest:
            raise ArtifactError(f"{artifact.path}: its bytes are not those of {artifact.digest[:12]}…")
        return _copy(stored, to)

    def estimate(self, task: Task) -> Estimate:
        """A second, for nothing."""
        return Estimate(1.0, 0.0, "made up")

    def submit(self, task: Task) -> str:
        """Start a task, or attach to its run."""
        self.submitted.append(task)
        with self._lock:
            earlier = self._runs.get(task.run_id)
            if admit(task, earlier.record() if earlier else None):
                attempt, before = (earlier.attempt + 1, earlier.last_seq) if earlier else (1, 0)
                script = iter(self._script(task, attempt))
                # A training resumes: what an earlier attempt reached is there before this one tells anything.
                progress = earlier.record().progress if earlier and isinstance(task, Train) else None
                self._runs[task.run_id] = _Run(task, script, self._tick(), attempt, before, progress)
        return task.run_id

    def runs(self) -> Sequence[RunRecord]:
        """All runs, in the order they were started."""
        return sorted((run.record() for run in self._runs.values()), key=lambda record: record.created)

    def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
        """What was told, after the script's next word."""
        run = self._find(run_id)
        if run.end is None:
            word = next(run.script, None)
            if isinstance(word, NlsError):
                raise word
            if word is None and not isinstance(run.task, Serve):
                self.kill(run_id)
            elif word is not None:
                run.told.append(self._stamped(word, run))
        return [event for event in run.told if event.seq > after]

    def cancel(self, run_id: str) -> None:
        """End a run, unless it has ended."""
        run = self._find(run_id)
        if run.end is None:
            run.told.append(self._stamped(Cancelled(), run))

    def api_key(self, run_id: str) -> str | None:
        """The key of a server that lives."""
        run = self._find(run_id)
        return self._api_key if isinstance(run.task, Serve) and run.end is None else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._runs)} runs)"

    def _find(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            raise RunNotFound(run_id, self._runs, place=self)
        return self._runs[run_id]

    def _reached(self, task: Task) -> int:
        """The step that a training came to in its earlier attempts."""
        run = self._runs.get(task.run_id)
        progress = run.record().progress if run else None
        return progress.step if progress else 0

    def _stamped(self, event: Event, run: _Run) -> Event:
        return evolve(event, seq=run.last_seq + 1, time=self._tick())

    def _tick(self) -> float:
        self._clock += 1
        return self._clock


@define
class _Run:
    """A run and what is left of its script."""

    task: Task
    script: Iterator[Event | NlsError]
    created: float
    attempt: int
    told_before: int
    progress_before: Progress | None
    told: list[Event] = field(factory=list)

    @property
    def last_seq(self) -> int:
        return self.told_before + len(self.told)

    @property
    def end(self) -> Terminal | None:
        last = self.told[-1] if self.told else None
        return last if isinstance(last, Succeeded | Failed | Cancelled) else None

    def record(self) -> RunRecord:
        ready = next((event for event in self.told if isinstance(event, Ready)), None)
        steps = (event for event in reversed(self.told) if isinstance(event, Progress))
        return RunRecord(
            run_id=self.task.run_id,
            task=self.task,
            state=state_of(self.end, ready=ready is not None, told=bool(self.told)),
            created=self.created,
            updated=self.told[-1].time if self.told else self.created,
            progress=next(steps, self.progress_before),
            end=self.end,
            url=ready.url if ready and not self.end else None,
        )


def _copy(source: Path, target: Path) -> Path:
    if source.is_file():
        shutil.copyfile(source, target)
    else:
        shutil.copytree(source, target)
    return target
