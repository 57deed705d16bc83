"""What locks an endpoint: a key that its server asks for, or a proxy token that Modal's router asks for."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from .account import noting, speaking_to_modal
from .options import Options


def make_key(options: Options) -> str:
    """What clients of an endpoint are to send as their bearer token: its server's, or a proxy token.

    Raises:
        ProviderError: The account may make no proxy token.
    """
    if not options.proxy_auth:
        return secrets.token_urlsafe(32)
    import modal

    app, environment = options.serve_app, options.environment
    with speaking_to_modal(f"making a proxy token for {app}"):
        tokens = modal.Workspace.from_context().proxy_tokens
        made = tokens.create(name=f"{_of(options)}{app}")
    try:
        with speaking_to_modal(f"allowing the proxy token of {app}"):
            if any(token.token_id == made.token_id and token.scoped for token in tokens.list()):
                place = environment or modal.Environment.from_context().hydrate().name or ""
                tokens.allow(made.token_id, place)
    except BaseException as error:
        with noting(error):
            _delete(made.token_id)
        raise
    return f"{made.token_id}.{made.token_secret}"


def forget_key(key: str) -> None:
    """Delete the proxy token that a key is. Idempotent."""
    _delete(key.partition(".")[0])


def forget_keys(options: Options, *, keep: Collection[str]) -> None:
    """Delete the proxy tokens of this Volume's endpoints, but for those of the apps named.

    Raises:
        ProviderError: The account may see none.
    """
    import modal

    with speaking_to_modal("listing proxy tokens"):
        tokens = modal.Workspace.from_context().proxy_tokens.list()
    for token in tokens:
        name, own = token.name or "", _of(options)
        if name.startswith(own) and name.removeprefix(own) not in keep:
            _delete(token.token_id)


def _of(options: Options) -> str:
    """How the names of a Volume's tokens begin: the whole workspace sees them, whatever the environment."""
    return f"nls-sdk {options.environment or 'default'} {options.volume} "


def _delete(token_id: str) -> None:
    import modal
    import modal.exception as errors

    with speaking_to_modal("deleting a proxy token"):
        try:
            modal.Workspace.from_context().proxy_tokens.delete(token_id)
        except errors.NotFoundError:
            return
