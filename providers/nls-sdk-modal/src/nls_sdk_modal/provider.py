"""ModalProvider: jobs and endpoints on Modal; everything that is known of them lies on one Volume."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from attrs import asdict

from nls_sdk.admission import admit
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ConfigError, ProviderError, RunNotFound
from nls_sdk.events import Event
from nls_sdk.providers import API_VERSION, Check, Estimate, Reaped, RunRecord
from nls_sdk.tasks import Serve, Task, Train

from .estimate import estimate
from .layout import Attempt
from .lease import client_name
from .options import Options
from .owning import Owner
from .rates import Price, account_rates, price
from .reaping import reap
from .records import Seen, is_server, see_all
from .settling import Settler
from .starting import Starter
from .volume import RunsVolume
from .waking import Waker

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class ModalProvider:
    """Runs tasks on Modal, on an H100 unless told otherwise.

    Attributes:
        options: What it was told; see `Options`.
    """

    api_version: ClassVar[int] = API_VERSION
    name = "modal"

    def __init__(self, **options: Any) -> None:
        """Choose how jobs run; nothing is asked of Modal yet.

        Args:
            options: See `nls_sdk_modal.options.Options`.

        Raises:
            ConfigError: An option is unknown or wrong.
        """
        self.options = Options.of(options)
        self._volume = RunsVolume(self.options.volume, self.options.environment)
        self._settler = Settler(
            self._volume,
            self.options.environment,
            ready_within=self.options.startup_timeout + self.options.queue_timeout,
        )
        client = client_name()
        self._owner = Owner(self._volume, self._settler, client=client, seconds=self.options.lease)
        self._starter = Starter(
            self.options, self._volume, self._settler, client=client, beat=self._owner.beat
        )
        self._waker = Waker()
        self._submitting = threading.Lock()
        self._price: Price | None = None

    def __repr__(self) -> str:
        given = asdict(self.options, filter=lambda field, value: value != field.default)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **asdict(self.options)), ()

    def check(self) -> Sequence[Check]:
        """Whether jobs can run: client, token, workspace, environment, secrets, price."""
        from . import checks

        return list(checks.checks(self.options))

    def push(self, path: Path) -> Artifact:
        """Store a file or folder on the Volume; what is there already is not sent again.

        Raises:
            ArtifactError: It is not there, or changed meanwhile.
        """
        return self._volume.push(path)

    def pull(self, artifact: Artifact, to: Path) -> Path:
        """Copy an artifact to a path that does not exist yet, and check it.

        Raises:
            ArtifactError: It is not there, is not what was stored, or does not fit; or `to` exists.
        """
        return self._volume.pull(artifact, to)

    def estimate(self, task: Task) -> Estimate:
        """Time, price and GPU memory, and what they rest on."""
        known = [seen.record() for seen in see_all(self._volume)]
        return estimate(
            task,
            runs=known,
            price=self._find_price(),
            gpu=self.options.gpu,
            idle=self.options.scaledown_window,
            examples=self._examples,
        )

    def submit(self, task: Task) -> str:
        """Start a task and return its run id; see `Provider.submit`.

        The first time at an account, Modal builds the images before this returns, which takes minutes.

        Raises:
            RunNameTaken: The name belongs to a run with another key.
            ConfigError: The name cannot be a folder's, or the token is refused; or the run is under way, and
                nobody keeps the limit that is asked for now.
            ProviderError: Another endpoint has this app's name, or another version of this package the run's.
        """
        if not _RUN_ID.fullmatch(task.run_id):
            raise ConfigError(f"{task.name!r} cannot be a run's name.")
        with self._submitting:
            earlier = self._last(task.run_id)
            while admit(task, earlier.record() if earlier else None):
                if self._starter.start(task, earlier, self._find_price()):
                    break
                # Another client was first: it is looked at again, and attached to.
                earlier = self._last(task.run_id)
                if earlier is None:
                    raise ProviderError(
                        f"The run {task.run_id} was left by another version of this package.",
                        hint="Choose another name.",
                    )
            else:
                if earlier and not earlier.end:
                    self._starter.require_limit(earlier, self._find_price)
        if isinstance(task, Serve) and (seen := self._last(task.run_id)):
            self._wake(seen)
            self._owner.own(seen, task)
        return task.run_id

    def runs(self) -> Sequence[RunRecord]:
        """All runs, oldest first."""
        settled = self._settler.settle(see_all(self._volume))
        return sorted((seen.record() for seen in settled), key=lambda record: record.created)

    def events(self, run_id: str, *, after: int = 0) -> Sequence[Event]:
        """The run's events numbered above `after`.

        Raises:
            RunNotFound: There is no such run.
        """
        seen = self._find(run_id)
        self._wake(seen)
        return [event for event in seen.told if event.seq > after]

    def cancel(self, run_id: str) -> None:
        """Stop a run, and see that no machine of it is left; an ended run stays as it is.

        Raises:
            RunNotFound: There is no such run.
            ProviderError: A machine is left.
        """
        self._owner.disown(run_id)
        self._settler.cancel(self._find(run_id))

    def api_key(self, run_id: str) -> str | None:
        """The key that the run's server asks for, while it lives.

        Raises:
            RunNotFound: There is no such run.
        """
        seen = self._find(run_id)
        if seen.end or not is_server(seen):
            return None
        return self._key(seen.attempt) or None

    def reap(self) -> Reaped:
        """Stop what this Volume's runs left at Modal and no living one needs; see `nls_sdk_modal.reaping`."""
        return reap(self.options, self._settler.settle(see_all(self._volume)))

    # Finding

    def _key(self, attempt: Attempt) -> str:
        """What the attempt's server asks for; empty where that is gone."""
        return (self._volume.read(attempt.key) or b"").decode()

    def _wake(self, seen: Seen) -> None:
        """Have a server come up that has not yet: Modal starts its machine when it is asked something."""
        if is_server(seen) and seen.call and not seen.end and not seen.ready:
            self._waker.wake(seen.call.url, self._key(seen.attempt))

    def _last(self, run_id: str) -> Seen | None:
        return self._settler.find(run_id) if _RUN_ID.fullmatch(run_id) else None

    def _find(self, run_id: str) -> Seen:
        seen = self._last(run_id)
        if seen is None:
            raise RunNotFound(run_id, [each.run_id for each in see_all(self._volume)])
        return seen

    def _find_price(self) -> Price | None:
        if self._price is None:
            self._price = price(self.options, account=account_rates())
        return self._price

    def _examples(self, task: Train) -> float:
        """Examples that the training sees, repetitions counted; 0 where its data is gone."""
        if task.recipe.max_steps:
            return task.recipe.max_steps * task.recipe.effective_batch_size
        data = self._volume.read(task.data.path) or b""
        return sum(1 for line in data.splitlines() if line.strip()) * task.recipe.epochs
