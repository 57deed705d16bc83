"""The user's account at Modal: its failures as this package's errors, and where its token comes from."""

from __future__ import annotations

import os
import socket
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from nls_sdk.errors import ConfigError, NlsError, ProviderError, ProviderUnavailable

SIGN_IN = "modal token new"
_CONNECT = 10.0
_ID, _SECRET = "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"


@contextmanager
def speaking_to_modal(what: str) -> Iterator[None]:
    """Tell what goes wrong at Modal as an error of this package; a file that is not there stays that.

    Args:
        what: What was to be done, for the message.
    """
    import aiohttp
    import grpclib.exceptions
    import modal.exception as modal_errors

    try:
        yield
    except (NlsError, FileNotFoundError, FileExistsError):
        raise
    except modal_errors.AuthError as error:
        raise ConfigError(
            f"Modal refuses the token while {what}: {_line(error)}",
            hint=f"`{SIGN_IN}` makes another; `nls-finetune verify env` says where this one comes from.",
        ) from None
    except modal_errors.PermissionDeniedError as error:
        raise ProviderError(f"Modal does not permit {what}: {_line(error)}") from None
    except (
        TimeoutError,
        modal_errors.ConnectionError,
        modal_errors.ServiceError,
        modal_errors.InternalError,
        modal_errors.InternalFailure,
        modal_errors.ResourceExhaustedError,
        modal_errors.TimeoutError,
        modal_errors.ConflictError,
        modal_errors.ClientClosed,
    ) as error:
        raise _unavailable(what, error) from None
    except modal_errors.Error as error:
        raise ProviderError(
            f"Modal failed while {what}: {type(error).__name__}: {_line(error)}",
            hint="`nls-finetune verify env` looks at the account.",
        ) from None
    except (
        grpclib.exceptions.StreamTerminatedError,
        grpclib.exceptions.GRPCError,  # Of Modal's own errors some are this too, and are told apart above.
        aiohttp.ClientError,
        OSError,
    ) as error:
        raise _unavailable(what, error) from None


def _unavailable(what: str, error: BaseException) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Modal did not answer while {what}: {type(error).__name__}: {_line(error)}",
        hint="Try again; https://status.modal.com tells of outages.",
    )


@contextmanager
def noting(error: BaseException) -> Iterator[None]:
    """Take back what an error left behind; what goes wrong with that is noted on it, and does not hide it."""
    try:
        yield
    except NlsError as problem:
        error.add_note(f"Besides: {problem}")


def require_contact() -> None:
    """See that there is a token and a way to Modal, before its client is asked.

    The client tries for a minute to connect, in silence, and would be asked again after that.

    Raises:
        ConfigError: The token is none.
        ProviderUnavailable: Modal cannot be connected to.
    """
    import modal.config

    token = find_token()
    if token.problem:
        where = f"{token.source}: " if token.source else ""
        raise ConfigError(
            f"Modal's token: {where}{token.problem}.",
            hint=f"`{SIGN_IN}`, or set {_ID} and {_SECRET} both; `nls-finetune verify env` says more.",
        )
    server = urlsplit(modal.config.config["server_url"])
    if urllib.request.getproxies():
        return  # The way is a proxy's, which the client knows.
    try:
        port = server.port or (443 if server.scheme == "https" else 80)
        socket.create_connection((server.hostname or "", port), timeout=_CONNECT).close()
    except OSError as error:
        raise ProviderUnavailable(
            f"Modal cannot be reached: {server.hostname}: {_line(error)}",
            hint="Is there a network? https://status.modal.com tells of outages.",
        ) from None


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@frozen
class Token:
    """The token in force.

    Attributes:
        source: Where it comes from; empty where there is none.
        problem: What is wrong with it; empty when it looks whole.
        shadowed: Another token that it hides.
    """

    source: str
    problem: str = ""
    shadowed: str = ""


def find_token() -> Token:
    """Say which token Modal's client would use, without asking Modal."""
    path = Path(os.environ.get("MODAL_CONFIG_PATH") or "~/.modal.toml").expanduser()
    profile, in_file, problem = _profile(path)
    halves = [name for name in (_ID, _SECRET) if os.environ.get(name)]
    empty = [name for name in (_ID, _SECRET) if os.environ.get(name) == ""]
    if len(halves) == 2:
        return Token("the environment", shadowed=f"profile {profile!r} of {path}" if in_file else "")
    if halves:
        other = _SECRET if halves == [_ID] else _ID
        return Token("the environment", f"{halves[0]} is set and {other} is not")
    if empty and in_file:
        return Token("the environment", f"{empty[0]} is set and empty, which hides the one of {path}")
    if problem:
        return Token(str(path), problem)
    return Token(f"profile {profile!r} of {path}") if in_file else Token("", "there is none")


def _profile(path: Path) -> tuple[str, bool, str]:
    """The active profile, whether it has a whole token, and what is wrong with the file."""
    if not path.is_file():
        return "", False, ""
    try:
        profiles = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return "", False, f"{path} cannot be read: {error}"
    active = [name for name, values in profiles.items() if isinstance(values, dict) and values.get("active")]
    name = os.environ.get("MODAL_PROFILE") or (active[0] if active else "default")
    values = profiles.get(name)
    if not isinstance(values, dict):
        return name, False, f"{path} has no profile {name!r}; it has {', '.join(profiles) or 'none'}"
    has = [key for key in ("token_id", "token_secret") if values.get(key)]
    if len(has) == 1:
        return name, False, f"profile {name!r} of {path} has {has[0]} and not the other half"
    return name, len(has) == 2, "" if has else f"profile {name!r} of {path} has no token"
