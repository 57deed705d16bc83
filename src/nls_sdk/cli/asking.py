"""The options of how questions are asked, which `eval run` and `eval baseline` share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from attrs import evolve, field, frozen

from ..dataset import Dataset
from ..evaluation.evaluator import Evaluator
from ..evaluation.pacing import Limits, Price
from .app import Amount


@frozen(kw_only=True)
class Asking:
    """How questions are asked. The attributes are those of `Evaluator` and `Limits`.

    Attributes:
        sample: Ask so many questions; None asks all.
        concurrency: Requests in flight at once.
        repeats: How often each question is asked.
        max_cost: The spend cap, which `limits` has once the price of a token is known.
        limits: Rates and money to keep to.
    """

    sample: int | None = None
    concurrency: int = 1
    repeats: int = 1
    max_cost: float | None = None
    limits: Limits = field(factory=Limits)

    def evaluator(self, data: Dataset) -> Evaluator:
        """The evaluator that asks so."""
        return Evaluator(data, concurrency=self.concurrency, repeats=self.repeats, limits=self.limits)

    def priced(self, price: Price | None = None) -> Asking:
        """The same with its spend cap, and with this price of a token where none was told.

        Raises:
            UsageError: There is a cap and no price.
        """
        known = self.limits.price or price
        if self.max_cost is not None and known is None:
            raise click.UsageError("--max-cost needs --price, the price of a million tokens in and out.")
        return evolve(self, limits=evolve(self.limits, price=known, max_cost=self.max_cost))


class _PriceType(click.ParamType[Price]):
    name = "IN,OUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Price:
        try:
            into, out = (float(part) for part in str(value).split(","))
            return Price(into, out)
        except ValueError:
            self.fail(f"{value!r} is not two prices, such as 0.15,0.60.", param, ctx)


_POSITIVE = Amount(0, min_open=True)
_OPTIONS = (
    click.option("--sample", type=click.IntRange(1), metavar="N", help="Ask N questions, always the same."),
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Requests in flight at once; above 1 latencies include waiting.",
    ),
    click.option(
        "--repeats", type=click.IntRange(1), default=1, show_default=True, help="Ask each question so often."
    ),
    click.option(
        "--rate", type=_POSITIVE, metavar="R", help="Start R questions a second, whatever is under way."
    ),
    click.option("--tokens-per-minute", type=_POSITIVE, metavar="N", help="Prompts and answers together."),
    click.option("--price", type=_PriceType(), help="US dollars for a million tokens, in and out."),
    click.option("--max-cost", type=Amount(0), metavar="USD", help="Ask nothing beyond this cost."),
)


def asking(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of how questions are asked, as `how`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        sample: int | None,
        concurrency: int,
        repeats: int,
        rate: float | None,
        tokens_per_minute: float | None,
        price: Price | None,
        max_cost: float | None,
        **rest: Any,
    ) -> None:
        how = Asking(
            sample=sample,
            concurrency=concurrency,
            repeats=repeats,
            max_cost=max_cost,
            limits=Limits(rate=rate, tokens_per_minute=tokens_per_minute, price=price),
        )
        function(*args, how=how, **rest)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
