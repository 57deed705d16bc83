"""Dates, absolute and natural."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nls_sdk.sourcegraph.dates import read_date

NOW = datetime(2019, 11, 25, 13, 7, 18, 5, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T10:20:30+03:00", "2024-02-29T10:20:30+03:00"),
        ("2024-02-29 10:20:30", "2024-02-29T10:20:30+00:00"),
        ("2019.11.01", "2019-11-01T00:00:00+00:00"),
        ("11/1/2019", "2019-11-01T00:00:00+00:00"),
        ("1.11.2019", "2019-11-01T00:00:00+00:00"),
        ("1 nov 2020", "2020-11-01T00:00:00+00:00"),
        ("November 1, 2020", "2020-11-01T00:00:00+00:00"),
        ("1574687238", "2019-11-25T13:07:18+00:00"),
        ("1632782809 -0600", "2021-09-27T16:46:49-06:00"),
        ("yesterday", "2019-11-24T00:00:00+00:00"),
        ("2 weeks ago", "2019-11-11T00:00:00+00:00"),
        ("lastweek", "2019-11-18T00:00:00+00:00"),
        ("last monday", "2019-11-18T00:00:00+00:00"),
        ("next tuesday at 5:25pm", "2019-11-26T17:25:00+00:00"),
        ("7d", "2019-11-25T07:00:00+00:00"),
        ("december 23rd", "2018-12-23T13:07:18+00:00"),
        ("last january", "2019-01-25T13:07:18+00:00"),
        ("one year ago", "2018-11-25T13:07:18.000005+00:00"),
    ],
)
def test_dates(text: str, moment: str) -> None:
    read = read_date(text, NOW)
    assert read is not None
    assert read.isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "last-week",
        "2024/01/01",
        "2024-01",
        ">2024-01-01",
        "this week",
        "not a date",
        "2024-13-45",
        "2023-02-29",
        "1632782809 --0600",
        "0 minutes ago",
        "10:am",
        "é",
    ],
)
def test_no_dates(text: str) -> None:
    assert read_date(text, NOW) is None


@given(st.text(alphabet="0123456789 :-/.,+TZlastweeksdymonthgo", max_size=30))
def test_any_text_is_a_date_or_none(text: str) -> None:
    moment = read_date(text, NOW)
    assert moment is None or moment.tzinfo is not None


@given(st.integers(1, 400), st.sampled_from([("day", 1), ("week", 7)]))
def test_relative_dates(count: int, unit: tuple[str, int]) -> None:
    moment = read_date(f"{count} {unit[0]}s ago", NOW)
    assert moment == (NOW - timedelta(days=count * unit[1])).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
