"""What `verify env` says of Modal: each finding with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata

from nls_sdk.errors import NlsError
from nls_sdk.providers import Check

from .account import SIGN_IN, find_token, require_contact, speaking_to_modal
from .options import Options
from .rates import account_rates, price

HUGGING_FACE, TRACKING = "huggingface-secret", "wandb-secret"
_KEYS = {HUGGING_FACE: ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), TRACKING: ("WANDB_API_KEY",)}
_OLDEST = (1, 6, 3)


def checks(options: Options) -> Iterator[Check]:
    """Findings on the client, the token, the account, the environment, secrets and the price.

    Where one shows that Modal cannot be reached, those that need it are left out.
    """
    yield _guard("modal client", _client)
    token = _guard("modal token", _token)
    yield token
    if token.status == "failed":
        return
    workspace = _guard("modal workspace", _workspace)
    yield workspace
    if workspace.status == "failed":
        return
    environment = _guard("modal environment", lambda: _environment(options))
    yield environment
    if environment.status == "failed":
        return
    for name in _KEYS:
        yield _guard(f"modal secret {name}", lambda name=name: _secret(name, options))  # type: ignore[misc]  # a default is how it is bound
    yield _guard("modal price", lambda: _price(options))


def _guard(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except NlsError as error:
        fix = error.hint or "Try again; https://status.modal.com tells of outages."
        return Check(name, "failed", error.message, fix)
    except Exception as error:
        return Check(name, "failed", f"{type(error).__name__}: {error}", "`nls-finetune --debug verify env`")


def _client() -> Check:
    version = metadata.version("modal")
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if not _OLDEST <= numbers < (2, 0):
        fix = "pip install --upgrade 'modal>=1.6.3,<2'"
        return Check("modal client", "failed", f"{version} is not 1.6.3 or a later 1.x", fix)
    return Check("modal client", "ok", version)


def _token() -> Check:
    token = find_token()
    if token.problem:
        fix = f"{SIGN_IN}, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET both"
        where = f"{token.source}: " if token.source else ""
        return Check("modal token", "failed", f"{where}{token.problem}", fix)
    if token.shadowed:
        message = f"from {token.source}; it hides the one of {token.shadowed}"
        return Check(
            "modal token", "warning", message, "Unset MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to use that."
        )
    return Check("modal token", "ok", f"from {token.source}")


def _workspace() -> Check:
    import modal

    require_contact()
    with speaking_to_modal("asking whose token it is"):
        workspace = modal.Workspace.from_context()
        workspace.hydrate()
    return Check("modal workspace", "ok", workspace.name or "without a name")


def _environment(options: Options) -> Check:
    import modal
    import modal.exception as errors

    wanted = options.environment
    with speaking_to_modal("looking for the environment"):
        try:
            place = modal.Environment.from_name(wanted) if wanted else modal.Environment.from_context()
            place.hydrate()
        except errors.NotFoundError:
            fix = f"modal environment create {wanted}"
            return Check("modal environment", "failed", f"there is no environment {wanted!r}", fix)
    return Check("modal environment", "ok", place.name or "the default one")


def _secret(name: str, options: Options) -> Check:
    import modal
    import modal.exception as errors

    keys, title = _KEYS[name], f"modal secret {name}"
    flag = f" --env {options.environment}" if options.environment else ""
    fix = f"modal secret create{flag} {name} {keys[-1]}=…"
    lacking = ""
    for key in keys:
        with speaking_to_modal(f"looking for secret {name}"):
            try:
                modal.Secret.from_name(
                    name, environment_name=options.environment or None, required_keys=[key]
                ).hydrate()
            except errors.NotFoundError as error:
                lacking = str(error)
                if "missing" not in lacking:
                    break
            except (errors.InvalidError, errors.Error) as error:
                if isinstance(error, errors.AuthError | errors.ConnectionError | errors.ServiceError):
                    raise
                lacking = str(error)
            else:
                return Check(title, "ok", f"there, with {key}")
    if name == TRACKING:
        return Check(title, "ok", "not there: progress is not sent to wandb (optional)")
    if "missing" in lacking:
        message = f"there, but without {' or '.join(keys)}"
        return Check(title, "failed", message, f"{fix} --force")
    return Check(title, "failed", "not there", fix)


def _price(options: Options) -> Check:
    found = price(options, account=account_rates())
    if found is None:
        fix = "Give --option max_duration=SECONDS; without a price no cost can be kept."
        return Check("modal price", "warning", f"no price is known of {options.gpu}", fix)
    return Check("modal price", "ok", f"${found.per_hour:.2f} an hour; {found.source}")
