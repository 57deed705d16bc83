"""ModalProvider: jobs and endpoints on Modal; everything that is known of them lies on one Volume."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from attrs import asdict

from nls_sdk.admission import admit
from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ConfigError, NlsError, ProviderError, RunNotFound
from nls_sdk.events import Event
from nls_sdk.providers import API_VERSION, Check, Estimate, RunRecord
from nls_sdk.tasks import Serve, Task, Train

from . import calls, deploying, locks
from .estimate import estimate
from .layout import Asked, Attempt, Call, dump
from .lease import Leases, beating
from .options import Options
from .rates import Price, account_rates, price
from .records import Seen, see_all
from .settling import Settler
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
        self._leases = Leases(renew=self._renew, end=self._leave, seconds=self.options.lease)
        self._waker = Waker()
        self._client = uuid4().hex
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
            ConfigError: The name cannot be a folder's, or the token is refused.
            ProviderError: Another endpoint has this app's name, or another version of this package the run's.
        """
        if not _RUN_ID.fullmatch(task.run_id):
            raise ConfigError(f"{task.name!r} cannot be a run's name.")
        with self._submitting:
            earlier = self._last(task.run_id)
            while admit(task, earlier.record() if earlier else None):
                if (started := self._start(task, earlier)) is not None:
                    return started
                # Another client was first: it is looked at again, and attached to.
                earlier = self._last(task.run_id)
                if earlier is None:
                    raise ProviderError(
                        f"The run {task.run_id} was left by another version of this package.",
                        hint="Choose another name.",
                    )
        if isinstance(task, Serve):
            self._share(task)
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
        if isinstance(seen.task, Serve) and not seen.end and not seen.ready and seen.call:
            self._waker.wake(seen.call.url, self._key(seen.attempt))
        return [event for event in seen.told if event.seq > after]

    def cancel(self, run_id: str) -> None:
        """Stop a run, and see that no machine of it is left; an ended run stays as it is.

        Raises:
            RunNotFound: There is no such run.
            ProviderError: A machine is left.
        """
        self._leases.drop(run_id)
        self._settler.cancel(self._find(run_id))

    def api_key(self, run_id: str) -> str | None:
        """The key that the run's server asks for, while it lives.

        Raises:
            RunNotFound: There is no such run.
        """
        seen = self._find(run_id)
        if seen.end or not isinstance(seen.task, Serve):
            return None
        return self._key(seen.attempt) or None

    def reap(self) -> list[str]:
        """Stop every endpoint's app that this package deployed and no run lives in; returns their names."""
        living = {seen.asked.app for seen in see_all(self._volume) if not seen.end}
        stopped = deploying.reap(self.options, keep=living)
        if self.options.proxy_auth:
            locks.forget_keys(keep=living)
        return stopped

    # Starting

    def _start(self, task: Task, earlier: Seen | None) -> str | None:
        """Claim the next attempt and start it; None where another client was first."""
        attempt = Attempt(task.run_id, earlier.attempt.number + 1 if earlier else 1)
        asked = self._asked(task, earlier)
        if isinstance(task, Serve):
            self._refuse_second_endpoint(task)
        else:
            # Before the claim: it may build images for minutes, and a claim without a call is soon given up.
            deploying.deploy_jobs(self.options)
        if not self._claim(attempt, dump(asked)):
            return None
        try:
            if isinstance(task, Serve):
                self._serve(attempt, asked, task)
            else:
                self._spawn(attempt, asked)
        except BaseException as error:
            self._settler.give_up(attempt, asked, error)
            if isinstance(task, Serve):
                with contextlib.suppress(NlsError):
                    deploying.withdraw(self.options, attempt)
            raise
        return task.run_id

    def _claim(self, attempt: Attempt, asked: bytes) -> bool:
        """Whether the attempt is ours: also where the answer was lost, and a second write was refused."""
        return self._volume.write_new(attempt.asked, asked) or self._volume.read(attempt.asked) == asked

    def _spawn(self, attempt: Attempt, asked: Asked) -> None:
        """Start a job; a call that is not on record, or that was cancelled before it was, does not go on."""
        call_id = deploying.spawn(self.options, asked.function, attempt)
        try:
            self._volume.write_new(attempt.call, dump(Call(call_id=call_id)))
            is_over = self._volume.read(attempt.end) is not None
        except BaseException:
            calls.cancel_call(call_id)
            raise
        if is_over:
            calls.cancel_call(call_id)

    def _serve(self, attempt: Attempt, asked: Asked, task: Serve) -> None:
        # Once more after the claim: of two clients that deploy at once, none takes over the other's app.
        self._refuse_second_endpoint(task)
        options = self.options
        key = locks.make_key(options.serve_app, proxy_auth=asked.proxy_auth, environment=options.environment)
        self._volume.write_new(attempt.key, key.encode())
        with beating(lambda: self._beat(attempt)):
            app_id, url = deploying.deploy_server(options, attempt, task, port=asked.port)
        self._volume.write_new(attempt.call, dump(Call(app_id=app_id, url=url, deployed=time.time())))
        seen = self._last(attempt.run_id)
        if seen is None or seen.end:
            return  # It was cancelled meanwhile, and looking at it has stopped its app.
        self._waker.wake(url, key)
        if asked.lease:
            self._leases.hold(attempt.run_id)

    def _asked(self, task: Task, earlier: Seen | None) -> Asked:
        options, cost = self.options, self._find_price()
        is_server = isinstance(task, Serve)
        seconds, limit = self._limit(cost)
        return Asked.of(
            task,
            created=time.time(),
            client=self._client,
            after=earlier.last_seq if earlier else 0,
            reached=earlier.record().progress if earlier and isinstance(task, Train) else None,
            app=options.serve_app if is_server else options.app,
            function=deploying.function_of(task),
            gpu=options.gpu,
            dollars_per_second=cost.per_second if cost else None,
            seconds=seconds,
            limit=limit,
            commit_seconds=options.commit_seconds,
            device=options.device if options.gpu else "auto",
            port=(task.config.port or options.port) if isinstance(task, Serve) else options.port,
            lease=options.lease if isinstance(task, Serve) and not task.detached else 0.0,
            proxy_auth=options.proxy_auth and is_server,
        )

    def _limit(self, cost: Price | None) -> tuple[float | None, str]:
        """Machine seconds after which a run is stopped, and why.

        Raises:
            ConfigError: A cost is to be kept, and no price is known.
        """
        options = self.options
        limits: list[tuple[float, str]] = []
        if options.max_duration:
            limits.append((options.max_duration, f"max_duration of {options.max_duration:g} s is reached"))
        if options.max_cost:
            if cost is None:
                raise ConfigError(
                    f"max_cost cannot be kept: no price is known of {options.gpu}.",
                    hint="Give max_duration instead.",
                )
            limits.append(
                (options.max_cost / cost.per_second, f"max_cost of ${options.max_cost:g} is reached")
            )
        return min(limits, default=(None, ""))

    def _refuse_second_endpoint(self, task: Serve) -> None:
        for seen in self._settler.settle(see_all(self._volume)):
            if (
                seen.run_id != task.run_id
                and isinstance(seen.task, Serve)
                and not seen.end
                and seen.asked.app == self.options.serve_app
            ):
                raise ProviderError(
                    f"The endpoint {seen.run_id} is up in app {self.options.serve_app}.",
                    hint=f"Stop it first (`nls-finetune stop --run-name {seen.task.name}`), or give "
                    "this one an app of its own: `--option serve_app=nls-finetune-serve-2`.",
                )

    def _share(self, task: Serve) -> None:
        """A server that lives is asked for once more: whoever wants it longest decides."""
        seen = self._last(task.run_id)
        if not seen or seen.end or not seen.asked.lease or seen.detached:
            return
        if task.detached:
            self._volume.write_new(seen.attempt.detached, b"detached")
            self._leases.drop(task.run_id)
        else:
            self._leases.hold(task.run_id)

    def _renew(self, run_id: str) -> None:
        if (seen := self._last(run_id)) and not seen.end:
            self._beat(seen.attempt)

    def _beat(self, attempt: Attempt) -> None:
        self._volume.write(f"{attempt.leases}/{self._client}", str(time.time()).encode())

    def _leave(self, run_id: str) -> None:
        """End a server that this process was the last to own."""
        # Not settled: at the interpreter's exit nothing can be written to the Volume, and that would fail.
        seen = next(iter(see_all(self._volume, run_id)), None)
        if not seen or seen.end or seen.detached:
            return
        self._volume.remove(f"{seen.attempt.leases}/{self._client}")
        if not self._settler.is_owned(seen, but=self._client):
            self._settler.leave(seen)

    # Finding

    def _key(self, attempt: Attempt) -> str:
        """What the attempt's server asks for; empty where that is gone."""
        return (self._volume.read(attempt.key) or b"").decode()

    def _last(self, run_id: str) -> Seen | None:
        if not _RUN_ID.fullmatch(run_id):
            return None
        return next(iter(self._settler.settle(see_all(self._volume, run_id))), None)

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
