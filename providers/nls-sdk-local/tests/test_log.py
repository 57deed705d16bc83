"""The event log and the lines it is made of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from nls_sdk.events import Log
from nls_sdk.hearing import LineSplitter
from nls_sdk_local.log import EventWriter, newest_first, read_events


def write(path: Path, *texts: str) -> None:
    with closing(EventWriter(path)) as writer:
        for text in texts:
            writer.append(Log(text))


def texts(path: Path) -> list[tuple[int, str]]:
    return [(event.seq, event.text) for event in read_events(path) if isinstance(event, Log)]


def test_events_are_numbered_across_writers(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(path, "one", "zwei\n2")
    write(path, "três")
    assert texts(path) == [(1, "one"), (2, "zwei\n2"), (3, "três")]
    assert [event.seq for event in read_events(path, after=2)] == [3]
    assert [event.seq for event in newest_first(path)] == [3, 2, 1]


@pytest.mark.parametrize("torn", [b'{"event": "lo', b"\0" * 4096, b'{"event": "log"}\n', b"\xff\xfe\n"])
def test_what_a_power_cut_tore_is_no_event_and_is_written_over(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    write(path, "one")
    with path.open("ab") as file:
        file.write(torn)
    assert texts(path) == [(1, "one")]
    assert [event.seq for event in newest_first(path)] == [1]
    write(path, "two")
    assert texts(path) == [(1, "one"), (2, "two")]


def test_the_next_attempts_log_numbers_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with closing(EventWriter(path, after=7)) as writer:
        assert writer.append(Log("eight")).seq == 8
    with closing(EventWriter(path, after=7)) as writer:
        assert writer.append(Log("nine")).seq == 9
    assert texts(path) == [(8, "eight"), (9, "nine")]
    assert [event.seq for event in read_events(path, after=3)] == [8, 9]
    assert [event.seq for event in read_events(path, after=8)] == [9]


def test_a_log_of_many_blocks_is_read_backwards(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [str(number) * (1 + number * 37 % 900) for number in range(1, 600)] + [
        "x" * 200_000,
        "é" * 70_000,
    ]
    write(path, *lines)
    assert texts(path) == list(enumerate(lines, start=1))
    assert [event.seq for event in newest_first(path)] == list(range(len(lines), 0, -1))


def test_a_poll_reads_the_end_of_the_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(path, *["a line"] * 2_000)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\0" * (size // 2))
    assert [event.seq for event in read_events(path, after=1_990)] == list(range(1_991, 2_001))
    write(path, "one more")
    assert next(newest_first(path)).seq == 2_001


def test_no_log_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none") == list(newest_first(tmp_path / "none")) == []


def test_lines_are_cut_as_a_terminal_shows_them() -> None:
    lines = LineSplitter()
    assert lines.feed(b"whole\nha") == ["whole"]
    assert lines.feed(b"lf\r\n\n  \n 0%\r50%\r100%\n") == ["half", "100%"]
    halves = "é\n".encode()
    assert lines.feed(halves[:1]) == []
    assert lines.feed(halves[1:]) == ["é"]
    assert lines.feed(b"\xff end") == []
    assert lines.rest() == ["\ufffd end"]
    assert lines.rest() == []


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines = LineSplitter()
    told = [line for _ in range(5) for line in lines.feed(b"x" * 500_000)]
    assert sum(map(len, told)) > 1_000_000
