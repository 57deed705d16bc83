"""What machines cost: the account's own rates where Modal tells them, else a dated table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from nls_sdk.errors import NlsError

from .account import speaking_to_modal

TABLE_DATE = "2026-06-27"
"""When Modal's list prices were those of `TABLE`."""

TABLE: Mapping[str, float] = {
    "B200": 6.25,
    "H200": 4.54,
    "H100": 3.95,
    "A100-80GB": 2.50,
    "A100-40GB": 2.10,
    "L40S": 1.95,
    "A10": 1.10,
    "L4": 0.80,
    "T4": 0.59,
    "CPU": 0.047,
}
"""Dollars an hour, per GPU or CPU core."""

MEMORY: Mapping[str, int] = {
    "B200": 180,
    "H200": 141,
    "H100": 80,
    "A100-80GB": 80,
    "A100-40GB": 40,
    "L40S": 48,
    "A10": 24,
    "L4": 24,
    "T4": 16,
}
"""GPU memory in GB."""

_ALIASES = {"A100": "A100-40GB", "A10G": "A10", "H100!": "H100", "": "CPU"}
_REGION_FACTOR = 1.75
_SECOND, _HOUR = 1.0, 3600.0


@frozen
class Price:
    """What a machine costs.

    Attributes:
        per_second: In dollars.
        source: Where that is from.
    """

    per_second: float
    source: str


def model_of(gpu: str) -> tuple[str, int]:
    """The GPU's name in the tables, and how many of it: `H100:2` is two."""
    name, _, count = gpu.upper().partition(":")
    return _ALIASES.get(name, name), int(count) if count.isdigit() else 1


def price(gpu: str, *, region: str = "", account: Mapping[str, Decimal] | None = None) -> Price | None:
    """The price of a machine with this GPU, or None where it is not known.

    Args:
        gpu: As in the options.
        region: A region that was demanded; that costs up to 1.75 times as much.
        account: The account's rates, by Modal's names of them.
    """
    model, count = model_of(gpu)
    found = _of_account(model, account or {})
    if found is None and model in TABLE:
        found = Price(
            TABLE[model] / _HOUR, f"Modal's list price of {TABLE_DATE}: ${TABLE[model]:.2f} an hour"
        )
    if found is None:
        return None
    factor = count * (_REGION_FACTOR if region else 1.0)
    note = f", up to {_REGION_FACTOR:g} times that in region {region}" if region else ""
    return Price(found.per_second * factor, found.source + note)


def account_rates() -> Mapping[str, Decimal]:
    """The account's rates; empty where Modal does not tell them to this token."""
    import modal

    try:
        with speaking_to_modal("asking for the account's rates"):
            return dict(modal.Workspace.from_context().billing.rates())
    except NlsError:
        return {}


def _of_account(model: str, rates: Mapping[str, Decimal]) -> Price | None:
    """The rate whose name says the GPU; names say whether it is per second or per hour."""
    wanted = re.sub(r"[^A-Z0-9]", "", model)
    for name, value in rates.items():
        plain = re.sub(r"[^A-Z0-9]", "", name.upper())
        if not re.search(rf"{wanted}(?![0-9])", plain):
            continue
        unit = _SECOND if "SEC" in plain else _HOUR if "HOUR" in plain or "HR" in plain else None
        if unit is not None:
            return Price(float(value) / unit, f"the account's own rate, {name} = {value}")
    return None
