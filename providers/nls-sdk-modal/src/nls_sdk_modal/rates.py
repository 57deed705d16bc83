"""What machines cost: the account's own rates where Modal tells them, else a dated table."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from nls_sdk.errors import NlsError

from .account import speaking_to_modal
from .options import Options

LIST_DATE = "2026-06-27"
"""When Modal's list prices were those of `LIST`."""

CORE, GIB = "cpu_hour_cost", "mem_gib_hour_cost"
LIST: Mapping[str, float] = {
    "gpu_hour_cost_b200": 6.25,
    "gpu_hour_cost_h200": 4.54,
    "gpu_hour_cost_h100": 3.95,
    "gpu_hour_cost_a100_80gb": 2.50,
    "gpu_hour_cost_a100_40gb": 2.10,
    "gpu_hour_cost_l40s": 1.95,
    "gpu_hour_cost_a10g": 1.10,
    "gpu_hour_cost_l4": 0.80,
    "gpu_hour_cost_t4": 0.59,
    CORE: 0.0473,
    GIB: 0.0080,
}
"""Dollars an hour of a GPU, a CPU core and a GiB of memory, by Modal's names of its rates."""

MEMORY: Mapping[str, int] = {
    "B200": 180,
    "H200": 141,
    "H100": 80,
    "A100-80GB": 80,
    "A100-40GB": 40,
    "L40S": 48,
    "A10G": 24,
    "L4": 24,
    "T4": 16,
}
"""GPU memory in GB."""

_ALIASES = {"A100": "A100-40GB", "A10": "A10G", "H100!": "H100"}
_REGION_FACTOR = 1.75
_HOUR = 3600.0


@frozen
class Price:
    """What a machine costs: its GPUs, its CPU cores and its memory.

    Attributes:
        per_second: In dollars.
        source: Where that is from.
    """

    per_second: float
    source: str

    @property
    def per_hour(self) -> float:
        """In dollars."""
        return self.per_second * _HOUR


def model_of(gpu: str) -> tuple[str, int]:
    """The GPU's name in the tables, and how many of it: `H100:2` is two."""
    name, _, count = gpu.upper().partition(":")
    return _ALIASES.get(name, name), int(count) if count.isdigit() else 1


def price(options: Options, *, account: Mapping[str, Decimal] | None = None) -> Price | None:
    """The price of a machine, or None where that of its GPU is not known.

    Modal bills what is reserved of cores and memory, and a container gets no more than that.

    Args:
        options: What the machine has; a region that it is to run in costs up to 1.75 times as much.
        account: The account's rates, by Modal's names of them.
    """
    model, count = model_of(options.gpu)
    gpus = {f"gpu_hour_cost_{model.lower().replace('-', '_')}": count} if options.gpu else {}
    amounts: Mapping[str, float] = {**gpus, CORE: options.cpu, GIB: options.memory / 1024}
    rates: Mapping[str, float | Decimal] = account or {}
    source = "the account's own rates"
    if not amounts.keys() <= rates.keys():
        rates, source = LIST, f"Modal's list prices of {LIST_DATE}"
    if not amounts.keys() <= rates.keys():
        return None
    hour = sum(float(rates[name]) * amount for name, amount in amounts.items())
    gpu = f"{options.gpu}, " if options.gpu else ""
    source += f" for {gpu}{options.cpu:g} cores and {options.memory / 1024:g} GiB of memory"
    if options.region:
        hour *= _REGION_FACTOR
        source += f", {_REGION_FACTOR:g} times that at most in region {options.region}"
    return Price(hour / _HOUR, source)


def account_rates() -> Mapping[str, Decimal]:
    """The account's rates; empty where Modal does not tell them to this token."""
    import modal

    try:
        with speaking_to_modal("asking for the account's rates"):
            return dict(modal.Workspace.from_context().billing.rates())
    except NlsError:
        return {}
