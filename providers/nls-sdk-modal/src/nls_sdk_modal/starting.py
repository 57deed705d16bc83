"""Starting: an attempt is claimed, deployed and called; of one that does not come up nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from nls_sdk.errors import ConfigError, ProviderError
from nls_sdk.tasks import Serve, Task, Train

from . import calls, deploying, locks
from .account import noting
from .layout import Asked, Attempt, Call, dump
from .lease import beating
from .options import Options
from .rates import Price
from .records import Seen, see_all
from .settling import Settler
from .volume import RunsVolume

_REACHED = " is reached"


class Starter:
    """Starts attempts of runs."""

    def __init__(
        self,
        options: Options,
        volume: RunsVolume,
        settler: Settler,
        *,
        client: str,
        beat: Callable[[Attempt], None],
    ) -> None:
        """Start nothing yet.

        Args:
            options: The provider's.
            volume: Where attempts are claimed.
            settler: Knows what lives, and ends what could not be started.
            client: What this client is called on the Volume.
            beat: Gives a sign of life for an attempt.
        """
        self._options, self._volume, self._settler = options, volume, settler
        self._client, self._beat = client, beat

    def start(self, task: Task, earlier: Seen | None, cost: Price | None) -> bool:
        """Claim the next attempt and start it.

        Args:
            task: What to do.
            earlier: The attempt before, which has ended.
            cost: What a machine costs.

        Returns:
            False where another client was first.

        Raises:
            NlsError: It could not be started, and the run says so; what could not be taken back is in its
                notes.
        """
        limit = self._limit(cost)
        if earlier:
            # Its end may have been declared by a reader who lost sight of it, and two must not work at once.
            self._settler.stop(earlier)
        attempt = Attempt(task.run_id, earlier.attempt.number + 1 if earlier else 1)
        if isinstance(task, Serve):
            self._refuse_second_endpoint(task)
            app = self._options.serve_app
        else:
            # Before the claim: it may build images for minutes, and a claim without a call is soon given up.
            app = deploying.deploy_jobs(self._options)
        asked = self._asked(task, earlier, app, cost, limit)
        if not self._claim(attempt, dump(asked)):
            return False
        try:
            if isinstance(task, Serve):
                self._serve(attempt, asked, task)
            else:
                self._spawn(attempt, asked)
        except BaseException as error:
            self._settler.give_up(attempt, asked, error)
            raise
        return True

    def require_limit(self, seen: Seen, find_price: Callable[[], Price | None]) -> None:
        """See that a run that is attached to is stopped as soon as these options want it to be.

        Args:
            seen: The run, which is under way.
            find_price: What a machine costs; only asked where there is a limit.

        Raises:
            ConfigError: It is not: its containers keep the limit that it was started with.
        """
        options, asked = self._options, seen.asked
        if not (options.max_cost or options.max_duration):
            return
        seconds, why = self._limit(find_price())
        # The same limit is other seconds where prices have changed, or could not be asked for.
        if seconds is None or why == asked.limit or (asked.seconds is not None and asked.seconds <= seconds):
            return
        kept = asked.limit.removesuffix(_REACHED) or "no limit"
        stop = "stop" if isinstance(seen.task, Serve) else "cancel"
        raise ConfigError(
            f"The run {seen.run_id} is under way with {kept}, which stays so: "
            f"{why.removesuffix(_REACHED)} would not be kept.",
            hint=f"Leave the limit out to attach to it, or end it first and start it again: "
            f"`nls-finetune {stop} --run-name {seen.task.name}`.",
        )

    def _claim(self, attempt: Attempt, asked: bytes) -> bool:
        """Whether the attempt is ours: also where the answer was lost, and a second write was refused."""
        return self._volume.write_new(attempt.asked, asked) or self._volume.read(attempt.asked) == asked

    def _spawn(self, attempt: Attempt, asked: Asked) -> None:
        """Start a job; a call that is not on record, or that was cancelled before it was, does not go on."""
        call_id = deploying.spawn(asked, attempt, self._options.environment)
        try:
            self._volume.write_new(attempt.call, dump(Call(call_id=call_id)))
            is_over = self._volume.read(attempt.end) is not None
        except BaseException as error:
            with noting(error):
                calls.end_call(call_id)
            raise
        if is_over:
            calls.end_call(call_id)

    def _serve(self, attempt: Attempt, asked: Asked, task: Serve) -> None:
        # Once more after the claim: of two clients that deploy at once, none takes over the other's app.
        self._refuse_second_endpoint(task)
        self._lock(attempt, asked)
        with beating(lambda: self._beat(attempt)):
            app_id, url = deploying.deploy_server(self._options, attempt, task, port=asked.port)
        self._volume.write_new(attempt.call, dump(Call(app_id=app_id, url=url)))

    def _lock(self, attempt: Attempt, asked: Asked) -> None:
        key = locks.make_key(self._options)
        try:
            self._volume.write_new(attempt.key, key.encode())
        except BaseException as error:
            if asked.proxy_auth:
                with noting(error):
                    locks.forget_key(key)
            raise

    def _asked(
        self,
        task: Task,
        earlier: Seen | None,
        app: str,
        cost: Price | None,
        limit: tuple[float | None, str],
    ) -> Asked:
        options = self._options
        is_server = isinstance(task, Serve)
        again = earlier if earlier and earlier.task.key == task.key else None
        return Asked.of(
            task,
            created=time.time(),
            client=self._client,
            after=earlier.last_seq if earlier else 0,
            reached=earlier.record().progress if earlier and isinstance(task, Train) else None,
            spent=again.seconds if again else 0.0,
            paid=again.dollars if again else 0.0,
            app=app,
            function=deploying.function_of(task),
            gpu=options.gpu,
            dollars_per_second=cost.per_second if cost else None,
            seconds=limit[0],
            limit=limit[1],
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
        options = self._options
        limits: list[tuple[float, str]] = []
        if options.max_duration:
            limits.append((options.max_duration, f"max_duration of {options.max_duration:g} s{_REACHED}"))
        if options.max_cost:
            if cost is None:
                raise ConfigError(
                    f"max_cost cannot be kept: no price is known of {options.gpu}.",
                    hint="Give max_duration instead.",
                )
            limits.append(
                (options.max_cost / cost.per_second, f"max_cost of ${options.max_cost:g}{_REACHED}")
            )
        return min(limits, default=(None, ""))

    def _refuse_second_endpoint(self, task: Serve) -> None:
        """See that the endpoint's app is nobody else's, who would lose it.

        Raises:
            ProviderError: It is.
        """
        for seen in self._settler.settle(see_all(self._volume)):
            if (
                seen.run_id != task.run_id
                and isinstance(seen.task, Serve)
                and not seen.end
                and seen.asked.app == self._options.serve_app
            ):
                raise ProviderError(
                    f"The endpoint {seen.run_id} is up in app {self._options.serve_app}.",
                    hint=f"Stop it first (`nls-finetune stop --run-name {seen.task.name}`), or give "
                    "this one an app of its own: `--option serve_app=nls-finetune-serve-2`.",
                )
        deploying.refuse_foreign_app(self._options)
