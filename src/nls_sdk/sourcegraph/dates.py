"""Dates as the server reads them: Git's formats, a few more, and natural phrases.

The natural phrases follow the published grammar of the Go package tj/go-naturaldate (MIT), in which every
part is optional and an unknown word is passed over; a phrase that does not move away from now is no date.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

from .scanner import end_of

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_MONTH_NAME = "|".join([*MONTHS, *(name[:3] for name in MONTHS)])

_UNIX = re.compile(r"(\d{5,})(?: ([+-])(\d\d)(\d\d))?\Z", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?(?: ?(Z|[+-]\d\d:\d\d|[+-]\d{4}))?)?\Z",
    re.ASCII,
)
_DOTTED = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)\Z", re.ASCII)
_SLASHED = re.compile(r"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})\Z", re.ASCII)
_GERMAN = re.compile(r"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{4})\Z", re.ASCII)
_NAMED = re.compile(
    rf"(?:(?P<day>\d\d?) +(?P<name>{_MONTH_NAME})|(?P<name2>{_MONTH_NAME}) +(?P<day2>\d\d?))"
    r",? +(?P<year>\d{4})\Z",
    re.ASCII | re.IGNORECASE,
)


_BEYOND = datetime.min.replace(tzinfo=UTC)
"""Stands for a date before or after those that Python can tell; the server takes them."""


def read_date(text: str, now: datetime | None = None) -> datetime | None:
    """Reads a date as the server does.

    Args:
        text: Such as ``2024-01-31``, ``2 weeks ago`` or ``last monday``.
        now: What relative dates start from; the present, in UTC, when None.

    Returns:
        The moment, with its time zone, or None when the server refuses it.
    """
    return _absolute(text) or _natural(text, now or datetime.now(UTC))


def is_date(text: str) -> bool:
    """Whether the server takes the text for a date."""
    return read_date(text) is not None


def reads_oddly(text: str) -> bool:
    """Whether the server passes over a word of a date, or takes a bare number in it for an hour.

    So it reads ``2023`` as that many hours after midnight, ``30`` likewise, and ``jan 2023`` too.
    """
    return _absolute(text) is None and any(
        (way == "word" and piece not in _CONNECTING)
        or (way == "clock" and piece.isdigit() and before != "at")
        for before, piece, way in _pieces(text.lower())
    )


def _pieces(text: str) -> Iterator[tuple[str, str, str]]:
    """The phrases of a natural date, each with the one before it and with where it leads."""
    before = ""
    for match, way, _ in _matches(text):
        piece = match[0].strip()
        yield before, piece, way
        before = piece


def is_known(moment: datetime) -> bool:
    """Whether a date that was read is one that Python can tell."""
    return moment is not _BEYOND


def normal_date(text: str) -> str:
    """A date that the server takes, however it is spelt, in one spelling that it reads the same."""
    moment = _absolute(text)
    if moment is not None:
        try:
            return text if moment is _BEYOND else _iso(moment.astimezone(UTC))
        except OverflowError:
            return text
    normal = " ".join(text.lower().split())
    return text.lower() if _absolute(normal) else normal


def _iso(moment: datetime) -> str:
    return moment.isoformat().removesuffix("T00:00:00+00:00")


def _absolute(text: str) -> datetime | None:
    if match := _UNIX.match(text):
        try:
            zone = UTC
            if match[2]:
                offset = timedelta(hours=int(match[3]), minutes=int(match[4]))
                zone = timezone(offset if match[2] == "+" else -offset)
            return datetime.fromtimestamp(int(match[1]), zone)
        except (ValueError, OverflowError, OSError):
            return _BEYOND
    try:
        if match := _ISO.match(text):
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
            return datetime(year, month, day, hour, minute, second, tzinfo=_zone(match[7]))
        if match := _DOTTED.match(text):
            return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        if match := _SLASHED.match(text) or _GERMAN.match(text):
            return datetime(int(match["year"]), int(match["month"]), int(match["day"]), tzinfo=UTC)
        if match := _NAMED.match(text):
            name = (match["name"] or match["name2"])[:3].lower()
            month = [known[:3] for known in MONTHS].index(name) + 1
            return datetime(int(match["year"]), month, int(match["day"] or match["day2"]), tzinfo=UTC)
    except ValueError:
        pass
    return None


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if text[0] == "+" else -offset)


_S = r"[ \t\r\n]*+"
_NUMBER = rf"(?:([0-9]++)|({'|'.join(_NUMBERS)})){_S}"
_LAST = rf"(?:last|past|previous){_S}"
_NEXT = rf"next{_S}"
_IN = rf"(?:in an|in a|in){_S}"


def _relative(unit: str) -> list[tuple[str, str]]:
    """The phrases of one unit of time, in the order in which they are tried, with where they lead."""
    word = rf"{unit}s?+{_S}"
    return [
        (rf"{_NUMBER}{word}ago{_S}", "back"),
        (rf"{_NUMBER}{word}from now{_S}|{_IN}(?:{_NUMBER})?+{word}(?:from now{_S})?+", "ahead"),
        (rf"{_LAST}(?:{_NUMBER})?+{word}", "back"),
        (rf"{_NEXT}(?:{_NUMBER})?+{word}", "forth"),
    ]


def _phrases() -> list[tuple[re.Pattern[str], str, str]]:
    phrases: list[tuple[str, str, str]] = [(rf"now{_S}", "now", "")]
    for unit in ("minute", "hour", "day", "week"):
        phrases += [(pattern, way, unit) for pattern, way in _relative(unit)]
        phrases.append((rf"{_NUMBER}{unit}s?+{_S}", "back", unit))
    weekday = rf"({'|'.join(WEEKDAYS)}){_S}"
    phrases += [
        (rf"today{_S}", "today", ""),
        (rf"yesterday{_S}", "yesterday", ""),
        (rf"tomorrow{_S}", "tomorrow", ""),
        (rf"{_LAST}{weekday}", "last weekday", ""),
        (rf"{_NEXT}{weekday}", "next weekday", ""),
        (weekday, "last weekday", ""),
    ]
    month = rf"({'|'.join(MONTHS)}){_S}"
    phrases += [(pattern, way, "month") for pattern, way in _relative("month")]
    phrases += [
        (rf"{_LAST}{month}", "last month", ""),
        (rf"{_NEXT}{month}", "next month", ""),
        (month, "last month", ""),
    ]
    phrases += [(pattern, way, "year") for pattern, way in _relative("year")]
    phrases += [
        (rf"{_NUMBER}(?:st|nd|rd|th){_S}|{_LAST}(?:{_NUMBER}){_NUMBER}", "day of month", ""),
        (rf"{_NUMBER}(?::{_NUMBER}(?::{_NUMBER})?+)?+am{_S}", "clock", ""),
        (rf"{_NUMBER}(?::{_NUMBER}(?::{_NUMBER})?+)?+pm{_S}", "clock", "pm"),
        (rf"{_NUMBER}(?::{_NUMBER}(?::{_NUMBER})?+)?+", "clock", ""),
        (rf"[a-z]++{_S}", "word", ""),
    ]
    return [(re.compile(pattern), way, unit) for pattern, way, unit in phrases]


_PHRASES = _phrases()
_CONNECTING = frozenset(["at", "of", "on", "the", "in", "a", "an", "and", "month"])
_LEADING_SPACE = re.compile(_S)


def _natural(text: str, now: datetime) -> datetime | None:
    text = text.lower()
    moment = now
    end = end_of(_LEADING_SPACE, text, 0)
    for match, way, unit in _matches(text):
        try:
            moment = _BEYOND if moment is _BEYOND else _move(moment, way, unit, match)
        except (ValueError, OverflowError):
            moment = _BEYOND
        end = match.end()
    return None if end < len(text) or moment == now else moment


def _matches(text: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """The phrases of a natural date in lower case, up to what is none, each with its way and its unit."""
    position = end_of(_LEADING_SPACE, text, 0)
    while position < len(text):
        for pattern, way, unit in _PHRASES:
            if (match := pattern.match(text, position)) and match.end() > position:
                yield match, way, unit
                position = match.end()
                break
        else:
            return


def _move(moment: datetime, way: str, unit: str, match: re.Match[str]) -> datetime:
    numbers = _numbers(match)
    match way:
        case "back" | "ahead" | "forth":
            count = numbers[0] if numbers else 1
            moved = _add(moment, unit, -count if way == "back" else count)
            return _midnight(moved) if unit in ("day", "week") and way != "ahead" else moved
        case "today":
            return _midnight(moment)
        case "yesterday" | "tomorrow":
            return _midnight(moment + timedelta(days=-1 if way == "yesterday" else 1))
        case "last weekday" | "next weekday":
            apart = WEEKDAYS.index(match[1]) - moment.weekday()
            days = apart - 7 if apart >= 0 else apart
            if way == "next weekday":
                days = apart + 7 if apart <= 0 else apart
            return _midnight(moment + timedelta(days=days))
        case "last month" | "next month":
            month = MONTHS.index(match[1]) + 1
            year = moment.year
            if way == "last month":
                year -= moment.month <= month
            else:
                year += month <= moment.month
            return _date(year, month, moment.day, moment).replace(microsecond=0)
        case "day of month":
            return _date(moment.year, moment.month, numbers[-1], moment).replace(microsecond=0)
        case "clock":
            hour, minute, second = (*numbers, 0, 0)[:3]
            start = _midnight(moment)
            return start + timedelta(hours=hour + 12 * (unit == "pm"), minutes=minute, seconds=second)
    return moment


def _numbers(match: re.Match[str]) -> list[int]:
    groups = match.groups()
    return [
        _NUMBERS.index(group) + 1 if group in _NUMBERS else int(group[:9])
        for group in groups
        if group and (group in _NUMBERS or group.isdigit())
    ]


def _add(moment: datetime, unit: str, count: int) -> datetime:
    spans: dict[str, Callable[[int], timedelta]] = {
        "minute": lambda n: timedelta(minutes=n),
        "hour": lambda n: timedelta(hours=n),
        "day": lambda n: timedelta(days=n),
        "week": lambda n: timedelta(weeks=n),
    }
    if unit in spans:
        return moment + spans[unit](count)
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "year" else 1)
    return _date(months // 12, months % 12 + 1, moment.day, moment)


def _date(year: int, month: int, day: int, clock: datetime) -> datetime:
    """A date whose day may lie beyond the month's end, as Go's time.Date has it."""
    first = clock.replace(year=year, month=month, day=1)
    longest = monthrange(year, month)[1]
    return first.replace(day=day) if 1 <= day <= longest else first + timedelta(days=day - 1)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
