"""What locks an endpoint: a key that its server asks for, or a proxy token that Modal's router asks for."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from .account import speaking_to_modal

_NAME = "nls-sdk "


def make_key(app: str, *, proxy_auth: bool, environment: str) -> str:
    """What clients of an endpoint are to send as their bearer token.

    Args:
        app: The endpoint's app, which a proxy token is named after.
        proxy_auth: Whether Modal's router is to ask for it, instead of the server.
        environment: Where the endpoint is; empty is the account's default.

    Raises:
        ProviderError: The account may make no proxy token.
    """
    if not proxy_auth:
        return secrets.token_urlsafe(32)
    import modal

    with speaking_to_modal(f"making a proxy token for {app}"):
        tokens = modal.Workspace.from_context().proxy_tokens
        made = tokens.create(name=f"{_NAME}{app}")
        if any(token.token_id == made.token_id and token.scoped for token in tokens.list()):
            place = environment or modal.Environment.from_context().hydrate().name or ""
            tokens.allow(made.token_id, place)
    return f"{made.token_id}.{made.token_secret}"


def forget_key(key: str) -> None:
    """Delete the proxy token that a key is. Idempotent."""
    _delete(key.partition(".")[0])


def forget_keys(*, keep: Collection[str]) -> None:
    """Delete the proxy tokens of our endpoints, but for those of the apps named."""
    import modal

    with speaking_to_modal("listing proxy tokens"):
        tokens = modal.Workspace.from_context().proxy_tokens.list()
    for token in tokens:
        name = token.name or ""
        if name.startswith(_NAME) and name.removeprefix(_NAME) not in keep:
            _delete(token.token_id)


def _delete(token_id: str) -> None:
    import modal
    import modal.exception as errors

    with speaking_to_modal("deleting a proxy token"):
        try:
            modal.Workspace.from_context().proxy_tokens.delete(token_id)
        except errors.NotFoundError:
            return
