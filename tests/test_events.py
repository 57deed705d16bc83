import pytest
from hypothesis import given
from hypothesis import strategies as st

from nls_sdk.artifacts import Artifact
from nls_sdk.events import Cancelled, Event, Failed, Log, Progress, Ready, Succeeded, dump_event, load_event

floats = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(min_value=0, max_value=2**40)
stored = {"seq": numbers, "time": floats}
artifacts = st.builds(Artifact, st.text(), st.text(), numbers)
events = st.one_of(
    st.builds(Log, st.text(), **stored),
    st.builds(Progress, numbers, numbers, st.none() | floats, st.none() | floats, **stored),
    st.builds(Ready, st.text(), st.text(), **stored),
    st.builds(Succeeded, st.dictionaries(st.text(), artifacts), st.dictionaries(st.text(), floats), **stored),
    st.builds(Failed, st.text(), st.text(), **stored),
    st.builds(Cancelled, st.text(), **stored),
)


@given(events)
def test_events_survive_their_json_line(event: Event) -> None:
    line = dump_event(event)
    assert "\n" not in line
    assert load_event(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "3",
        "[]",
        '{"event": "progress"}',
        '{"event": "other"}',
        '{"text": "x"}',
        '{"event": ["log"]}',
    ],
)
def test_other_lines_are_not_events(line: str) -> None:
    with pytest.raises(ValueError):
        load_event(line)
