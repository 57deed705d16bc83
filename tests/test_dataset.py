import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nls_sdk import Dataset, Example
from nls_sdk.dataset import read_jsonl
from nls_sdk.errors import DataError

PAIRS = [(f"question {i}", f"lang:go word{i}") for i in range(40)]


def line(*messages: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})


GOOD = line(("system", "s"), ("user", "q"), ("assistant", "lang:go"))


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


texts = st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable())


@given(st.lists(st.tuples(texts, texts), min_size=1))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    data = Dataset.from_pairs(pairs)
    file = data.write(tmp_path_factory.mktemp("d") / "data.jsonl")
    back = Dataset.from_jsonl(file)
    assert back == data
    assert back.fingerprint == data.fingerprint


def test_a_row_keeps_its_line_and_metadata(tmp_path: Path) -> None:
    row = {**json.loads(GOOD), "metadata": {"intent": "find"}}
    data = Dataset.from_jsonl(write(tmp_path / "d.jsonl", GOOD, "", json.dumps(row)))
    assert [example.line for example in data] == [1, 3]
    assert data[1].metadata == {"intent": "find"}
    assert (data[0].question, data[0].query) == ("q", "lang:go")


def test_a_system_message_may_be_absent(tmp_path: Path) -> None:
    data = Dataset.from_jsonl(write(tmp_path / "d.jsonl", line(("user", "q"), ("assistant", "a"))))
    assert (data[0].question, data[0].query, data[0].system, data.system) == ("q", "a", "", "")


WRONG = [
    ("{", "not JSON"),
    ('{"messages": [}', "not JSON"),
    ("[]", "messages"),
    ("{}", "messages"),
    ('{"messages": 3}', "messages"),
    ('{"messages": []}', "roles are none"),
    ('{"messages": ["x"]}', r"messages\[0\]"),
    ('{"messages": [{"role": "tool", "content": "x"}]}', "'tool'"),
    ('{"messages": [{"role": "user"}]}', "content"),
    (line(("user", " "), ("assistant", "a")), "content"),
    (line(("user", "q")), "roles are user"),
    (line(("assistant", "a"), ("user", "q")), "roles"),
    (line(("user", "q"), ("system", "s"), ("assistant", "a")), "roles"),
    (line(("user", "q"), ("assistant", "a"), ("assistant", "b")), "roles"),
    (line(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")), "roles"),
    (line(("user", "\ud83d"), ("assistant", "a")), "surrogate"),
    (f'{{"messages": {"1" * 5000}}}', "not JSON"),
    (
        f'{GOOD[:-1]}, "metadata": 3}}',
        "meta",
    ),
    ("[" * 100_000, "not JSON"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Dataset.from_jsonl(write(tmp_path / "wrong.jsonl", GOOD, text, GOOD))
    assert caught.value.line == 2
    assert str(caught.value).startswith(f"{tmp_path / 'wrong.jsonl'}:2:")


def test_broken_json_is_named_by_column(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.from_jsonl(write(tmp_path / "d.jsonl", '{"messages": nope}'))
    assert (caught.value.line, caught.value.column) == (1, 14)


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_bytes(GOOD.encode() + b'\n{"messages": "\xff"}\n')
    with pytest.raises(DataError, match="UTF-8") as caught:
        Dataset.from_jsonl(file)
    assert caught.value.line == 2


def test_all_wrong_rows_are_found_and_the_good_ones_read(tmp_path: Path) -> None:
    examples, findings = read_jsonl(write(tmp_path / "d.jsonl", "x", GOOD, "y"))
    assert len(examples) == 1
    assert [finding.line for finding in findings] == [1, 3]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "d.jsonl").write_text(content)
    with pytest.raises(DataError, match="empty"):
        Dataset.from_jsonl(tmp_path / "d.jsonl")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Dataset.from_jsonl(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="cannot be read"):
        Dataset.from_jsonl(tmp_path)


def test_verify_names_duplicates_and_contradictions(tmp_path: Path) -> None:
    other = line(("system", "s"), ("user", "q"), ("assistant", "lang:rust"))
    with pytest.raises(DataError) as caught:
        Dataset.from_jsonl(write(tmp_path / "d.jsonl", GOOD, GOOD, other)).verify()
    assert "2: duplicate of line 1" in str(caught.value)
    assert "3: the same question with another answer of line 1" in str(caught.value)


def test_verify_refuses_two_system_messages(tmp_path: Path) -> None:
    other = line(("system", "other"), ("user", "q2"), ("assistant", "a"))
    with pytest.raises(DataError, match="2: the system message is not that of the first example: 'other'"):
        Dataset.from_jsonl(write(tmp_path / "d.jsonl", GOOD, other)).verify()


def test_pairs_are_held_to_the_same_rules_as_rows() -> None:
    with pytest.raises(DataError, match=r"2: .*not empty"):
        Dataset.from_pairs([("q", "a"), ("", "b")])


@pytest.mark.parametrize(
    "pairs", [[("a", "b"), ("c",)], [("a", "b"), "cd"], [("a", "b"), {"question": "c", "query": "d"}]]
)
def test_what_is_no_pair_is_named_by_its_number(pairs: Any) -> None:
    with pytest.raises(DataError, match=r"^2: expected a pair of question and query, not "):
        Dataset.from_pairs(pairs)


def test_a_mapping_is_no_list_of_pairs() -> None:
    with pytest.raises(DataError, match=r"^1: expected a pair of question and query, not 'go files'"):
        Dataset.from_pairs({"go files": "lang:go"})  # type: ignore[dict-item]  # that is what is tested


def test_verify_returns_good_data_itself() -> None:
    data = Dataset.from_pairs(PAIRS)
    assert data.verify() is data
    with pytest.raises(DataError, match="no examples"):
        Dataset(()).verify()


@given(st.integers(0, 99), st.floats(0.03, 0.97))
def test_a_split_is_a_partition_in_order(seed: int, share: float) -> None:
    data = Dataset.from_pairs(PAIRS)
    train, val = data.split(val=share, seed=seed)
    assert len(val) == round(40 * share)
    assert sorted([*train, *val], key=data.examples.index) == list(data.examples)
    assert [*val] == sorted(val, key=data.examples.index)
    assert data.split(val=share, seed=seed) == (train, val)


def test_a_split_never_parts_a_question() -> None:
    twice = Dataset.from_pairs([pair for question, _ in PAIRS for pair in [(question, "a"), (question, "b")]])
    train, val = twice.split(val=0.5, seed=1)
    assert not {example.question for example in train} & {example.question for example in val}


@pytest.mark.parametrize("share", [0, 1, -1, 2, 0.001])
def test_a_split_that_leaves_a_side_empty_is_refused(share: float) -> None:
    with pytest.raises(DataError):
        Dataset.from_pairs(PAIRS).split(val=share)


def test_samples_are_nested() -> None:
    data = Dataset.from_pairs(PAIRS)
    few, many = ({example.question for example in data.sample(n, seed=3)} for n in (5, 20))
    assert len(few) == 5
    assert few < many
    assert len(data.sample(1000)) == 40


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    file = Dataset.from_pairs(PAIRS).write(tmp_path / "d.jsonl")
    before = file.read_bytes()
    broken = Dataset((Example.of("q", "a", odd=object()),))
    with pytest.raises(TypeError):
        broken.write(file)
    assert file.read_bytes() == before
