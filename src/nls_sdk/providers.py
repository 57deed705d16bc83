"""The provider contract: what a place that runs jobs must do, and the values it deals in.

A provider is only a place that can run `python -m nls_sdk.worker`. All its methods are synchronous, return
soon and are safe to repeat; the core polls them and owns the one retry policy. See docs/write-a-provider.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

from .artifacts import Artifact
from .errors import ConfigError
from .events import Cancelled, Event, Failed, Progress, Succeeded, Terminal
from .recipe import Recipe
from .tasks import Task

API_VERSION = 1
"""The version of this contract. A plugin states the one it was written for as `api_version`."""

State: TypeAlias = Literal["queued", "running", "ready", "succeeded", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})


@frozen
class Check:
    """One finding of a check.

    Attributes:
        name: What was looked at.
        status: `ok`, `warning` (the work can go on), or `failed`.
        message: What was found.
        fix: What mends it, a command where there is one.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    fix: str = ""


@frozen
class Estimate:
    """What a task will take.

    Attributes:
        seconds: Time from start to end; None when unknown.
        dollars: Price; None when unknown, 0 on the user's own machine.
        basis: What the figures rest on.
    """

    seconds: float | None
    dollars: float | None
    basis: str


@frozen(kw_only=True)
class RunRecord:
    """What is known of a run.

    Attributes:
        run_id: Its id at the provider, `NAME.KIND`.
        task: What it runs.
        state: Where it stands.
        created: Seconds since the epoch when it was submitted.
        updated: Seconds since the epoch of its newest event.
        progress: The newest progress event; of a training, which resumes, that of an earlier attempt while
            this one has told none.
        end: The event that ended it.
        url: Base URL of the server, while the run is `ready`.
        seconds: Machine time that it has taken so far, over all attempts; None where nobody measures it.
        dollars: What that cost, about; None where that is unknown.
    """

    run_id: str
    task: Task
    state: State
    created: float
    updated: float
    progress: Progress | None = None
    end: Terminal | None = field(default=None)
    url: str | None = None
    seconds: float | None = field(default=None, eq=False)
    dollars: float | None = field(default=None, eq=False)


def state_of(end: Terminal | None, *, ready: bool, told: bool) -> State:
    """Where a run stands.

    Args:
        end: The event that ended it.
        ready: Whether it has told `Ready`.
        told: Whether it has told anything.
    """
    match end:
        case Succeeded():
            return "succeeded"
        case Failed():
            return "failed"
        case Cancelled():
            return "cancelled"
        case None:
            return "ready" if ready else "running" if told else "queued"


class Provider(Protocol):
    """A place that runs tasks. Made by the plugin's entry point, called with the user's options.

    Its `repr` says which provider it is and where it keeps its runs, and shows no secret: errors show it.
    """

    api_version: ClassVar[int]
    name: str

    def check(self) -> Sequence[Check]:
        """Whether this provider can work: findings with a fix. Never raises."""
        ...

    def push(self, path: Path) -> Artifact:
        """Store a file or folder. Content-addressed: the second push of the same bytes is free."""
        ...

    def pull(self, artifact: Artifact, to: Path) -> Path:
        """Copy an artifact to the path `to`, which must not exist, and check its digest.

        Raises:
            ArtifactError: It is not there, or is not what was stored.
        """
        ...

    def estimate(self, task: Task) -> Estimate:
        """Time and price of a task, before it is submitted."""
        ...

    def submit(self, task: Task) -> str:
        """Start a task and return its run id at once.

        The same `task.key` under the same name is the same run: attached to while it lives or when it has
        succeeded, started again (resuming from its last checkpoint) when it failed or was cancelled.

        A server that is not detached ends when all processes that submitted it have; one that is submitted
        detached, at first or while it lives, outlives them.

        Raises:
            RunNameTaken: The name belongs to a run with another key.
        """
        ...

    def runs(self) -> Sequence[RunRecord]:
        """All runs, oldest first, read from where they live."""
        ...

    def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
        """The last attempt's events with a `seq` above `after`, in order. A short poll: it never waits.

        A new attempt's first `seq` is the last one of the attempt before, plus 1. A job that died without a
        word must show a `Failed` here.

        Raises:
            RunNotFound: There is no such run.
        """
        ...

    def cancel(self, run_id: str) -> None:
        """Stop a run and everything it started. Idempotent; an ended run stays as it is.

        Raises:
            RunNotFound: There is no such run.
        """
        ...

    def api_key(self, run_id: str) -> str | None:
        """The key that the run's server asks for, or None. It stands in no event and no record."""
        ...


@runtime_checkable
class DemoProvider(Protocol):
    """What a provider may have besides: a recipe fit for a demo on it, which `--recipe demo` asks for."""

    def demo_recipe(self) -> Recipe:
        """Hyperparameters, base model included, that show the whole job there in minutes."""
        ...


@frozen
class Reaped:
    """What became of what runs had left behind.

    Attributes:
        stopped: The names of what was stopped.
        left: Why something was left, by its name, and what would stop it.
    """

    stopped: Sequence[str] = ()
    left: Mapping[str, str] = field(factory=dict)


@runtime_checkable
class ReapingProvider(Protocol):
    """What a provider may have besides: it finds what no run needs any more, which `stop --all` asks for."""

    def reap(self) -> Reaped:
        """Stop what its own runs left behind and no living one needs; what is another's is left."""
        ...


METHODS = tuple(name for name in vars(Provider) if callable(getattr(Provider, name)) and name[0] != "_")
"""The names of the contract's methods."""


def require_provider(value: object, what: str) -> None:
    """Refuse what is no provider, such as the name of one, where it is given.

    Raises:
        ConfigError: It lacks methods of a provider, which the message names, or all of them.
    """
    missing = missing_methods(value)
    if isinstance(value, type) or len(missing) == len(METHODS):
        name = value if isinstance(value, str) else "local"
        raise ConfigError(
            f"{what} must be a provider, not {type(value).__name__}.",
            hint=f"`nls_sdk.provider({name!r})` makes one.",
        )
    if missing:
        raise ConfigError(
            f"{what} must be a provider, but {type(value).__name__} lacks {', '.join(missing)}.",
            hint="docs/write-a-provider.md says what each method promises.",
        )


def missing_methods(value: object) -> list[str]:
    """Which of the contract's methods a provider, or a class of them, lacks."""
    return [name for name in METHODS if not callable(getattr(value, name, None))]
