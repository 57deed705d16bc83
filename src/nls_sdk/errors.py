"""The errors of nls_sdk.

    NlsError
    ├── DataError                 a data file or a row of it is wrong
    ├── RecipeError               a hyperparameter is unknown or out of range
    ├── ConfigError               a setting or an environment variable is missing or wrong
    ├── PluginError               a provider or baseline plugin cannot be used
    │   ├── PluginNotFound            no installed distribution registers that name
    │   ├── PluginBroken              importing or making it raised
    │   ├── PluginCollision           two distributions register the same name
    │   └── PluginIncompatible        it was written for another version of the plugin API
    ├── ProviderError             a provider could not do what it was asked
    │   ├── ProviderUnavailable       it did not answer; a retry can help
    │   ├── ArtifactError             stored bytes are missing, changed, or do not fit the disk
    │   ├── RunNotFound               no run has that name
    │   └── RunNameTaken              the name belongs to a run with another configuration
    ├── RunError                  a run ended without its result
    │   ├── RunFailed                 the job raised, or died
    │   └── RunCancelled              somebody cancelled it
    ├── EndpointError             a model server's answer cannot be used
    │   └── EndpointUnavailable       it did not answer, or is overloaded; a retry can help
    └── EvaluationError           an evaluation file is missing or is not one

Every error carries a message that names the file, line or run, a `hint` that says what to do next, and
`retryable`, which the core's one retry policy (`nls_sdk.retry`) asks. All of them survive pickling.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar


class NlsError(Exception):
    """Base of every error that nls_sdk raises on purpose.

    Attributes:
        message: What happened, to which file, line or run.
        hint: What to do next; empty when there is nothing to add.
        retryable: Whether the same call may succeed a moment later.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[NlsError], args: tuple[Any, ...], state: dict[str, Any]) -> NlsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class DataError(NlsError):
    """A data file or a row of it is wrong.

    Attributes:
        path: The file, when the data came from one.
        line: Its line, from 1, or None when the whole file is meant.
        column: The column, from 1, where the JSON broke off.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.path, self.line, self.column = path, line, column


class RecipeError(NlsError):
    """A hyperparameter is unknown or out of range."""


class ConfigError(NlsError):
    """A setting or an environment variable is missing or wrong."""


class PluginError(NlsError):
    """A provider or baseline plugin cannot be used."""


class PluginNotFound(PluginError):
    """No installed distribution registers that name."""


class PluginBroken(PluginError):
    """Importing the plugin, or making it, raised; the cause is chained."""


class PluginCollision(PluginError):
    """Two distributions register the same name, so neither is used."""


class PluginIncompatible(PluginError):
    """The plugin was written for another version of the plugin API."""


class ProviderError(NlsError):
    """A provider could not do what it was asked."""


class ProviderUnavailable(ProviderError):
    """The provider did not answer; the core retries."""

    retryable = True


class ArtifactError(ProviderError):
    """Stored bytes are missing, are not those that were stored, or do not fit the disk."""


class RunNotFound(ProviderError):
    """No run has that name; the hint lists the near ones."""

    def __init__(self, name: str, known: Iterable[str], *, place: object = "") -> None:
        """Word it.

        Args:
            name: The name or run id that was asked for.
            known: Those that there are.
            place: Where they were looked for; a provider shows itself by its `repr`.
        """
        names = list(known)
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        where = f" at {place}" if place else ""
        if near:
            hint = f"Near it: {', '.join(near)}."
        else:
            hint = "`nls-finetune list-runs` shows what there is." if names else "There are no runs yet."
        super().__init__(f"No run is called {name!r}{where}.", hint=hint)


class RunNameTaken(ProviderError):
    """The name belongs to a run with another configuration, which is left as it is."""


class RunError(NlsError):
    """A run ended without its result."""


class RunFailed(RunError):
    """The job raised or died; the message is its last word."""


class RunCancelled(RunError):
    """Somebody cancelled the run."""


class EndpointError(NlsError):
    """A model server's answer cannot be used: a wrong key, a refused request, an empty body."""


class EndpointUnavailable(EndpointError):
    """The server did not answer, or is overloaded; the core retries.

    Attributes:
        status: The HTTP status it answered with; None when it did not answer. 503 is one that is starting.
        retry_after: Seconds that the server asks to wait; None when it does not say.
    """

    retryable = True

    def __init__(
        self, message: str, *, hint: str = "", status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after


class EvaluationError(NlsError):
    """An evaluation file is missing, or is not one."""


def require(value: object, kind: type, what: str, hint: str) -> None:
    """Refuse an argument of another type where it is given, not where it is first used.

    Args:
        value: The argument.
        kind: The type that it must have.
        what: How the message names it.
        hint: How to come by a right one.

    Raises:
        ConfigError: It has another type.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{what} must be a {kind.__name__}, not {type(value).__name__}.", hint=hint)
