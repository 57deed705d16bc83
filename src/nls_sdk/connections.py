"""Where servers are, and connections to them: which URL is one, whose it is, and by way of which proxy."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import ConfigError, require

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECTIONS = 256
"""Connections that are kept open for the next request."""

_LONGEST = 1_000_000
_EXAMPLE = "It looks like http://127.0.0.1:8000/v1."


def open_pool(url: str, *, timeout: float) -> PoolManager:
    """Connections to a server: directly to one on this machine, else by way of the environment's proxy.

    Args:
        url: A URL of the server.
        timeout: Seconds of silence after which a request is given up.

    Raises:
        ConfigError: The URL is not one, or the timeout is no time.
    """
    host, place = _host(url), place_of(url)
    if type(timeout) not in (int, float) or not 0 < timeout <= _LONGEST:
        raise ConfigError(f"timeout = {timeout!r}, but it must be seconds, above 0 and at most {_LONGEST:,}.")
    import urllib3

    options: dict[str, Any] = {"timeout": timeout, "maxsize": CONNECTIONS, "block": False}
    if place.startswith("https:"):
        options["ssl_context"] = ssl.create_default_context()
    proxy = None if _is_loopback(host) else _proxy(place, host)
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def place_of(url: str) -> str:
    """The URL without user and password, and without a slash at its end."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: whose server it is, to which alone its key belongs."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _host(url: str) -> str:
    try:
        require(url, str, "The URL", _EXAMPLE)
        parts = urlsplit(url)
        more = parts.query or parts.fragment
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not more:
            return parts.hostname
    except ValueError:
        pass
    # What may be a secret is not repeated.
    shown = url.rpartition("@")[2].partition("?")[0]
    raise ConfigError(f"{shown!r} is not a base URL.", hint=_EXAMPLE)


def _proxy(place: str, host: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    found = None if proxy_bypass(host) else proxies.get(urlsplit(place).scheme) or proxies.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
