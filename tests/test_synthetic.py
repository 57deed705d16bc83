"""The synthetic generator keeps its promises: determinism, held-out names and wordings, valid queries."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nls_sdk import synthetic
from nls_sdk.errors import ConfigError
from nls_sdk.prompt import SYSTEM_PROMPT
from nls_sdk.synthetic.generator import CONCEPTS
from nls_sdk.synthetic.intents import INTENTS
from nls_sdk.synthetic.names import POOLS
from nls_sdk.synthetic.sentences import SENTENCES
from nls_sdk.synthetic.subjects import OPENERS, OPENERS_HELD

CLOSED_LIST = frozenset(
    [
        "repo",
        "file",
        "lang",
        "language",
        "l",
        "content",
        "type",
        "case",
        "rev",
        "fork",
        "archived",
        "visibility",
        "context",
        "author",
        "committer",
        "before",
        "after",
        "message",
        "count",
        "timeout",
        "patterntype",
        "select",
    ]
)
QUOTED = re.compile(r'"[^"]*"')

Rows = list[dict[str, Any]]


def question(row: dict[str, Any]) -> str:
    return str(row["messages"][1]["content"])


def query(row: dict[str, Any]) -> str:
    return str(row["messages"][2]["content"])


def whole(text: str) -> re.Pattern[str]:
    """`text` standing on its own, not inside a longer word."""
    return re.compile(rf"(?<![\w.]){re.escape(text)}(?!\w)", re.IGNORECASE)


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    return synthetic.generate(seed=0, train=6000, val=400)


def test_sizes_and_form(rows: tuple[Rows, Rows]) -> None:
    train, val = rows
    assert (len(train), len(val)) == (6000, 400)
    assert Counter(r["metadata"]["held_out"] for r in val) == {"names": 200, "phrasings": 200}
    for row in train + val:
        assert set(row) == {"messages", "metadata"}
        assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][0]["content"] == SYSTEM_PROMPT
        assert question(row).strip() == question(row) != ""
        assert query(row).strip() == query(row) != ""
        assert "{" not in question(row)
    assert {r["metadata"]["held_out"] for r in train} == {None}


def test_the_seed_decides_everything() -> None:
    first = synthetic.generate(seed=3, train=300, val=60)
    assert synthetic.generate(seed=3, train=300, val=60) == first
    assert synthetic.generate(seed=4, train=300, val=60) != first


def test_write(tmp_path: Path) -> None:
    train, val = synthetic.write(tmp_path / "new", seed=1, train=50, val=21)
    assert (train.name, val.name) == ("train.jsonl", "val.jsonl")
    read = tuple([json.loads(line) for line in path.read_text().splitlines()] for path in (train, val))
    assert read == synthetic.generate(seed=1, train=50, val=21)


def test_writing_the_same_again_keeps_the_files(tmp_path: Path) -> None:
    paths = synthetic.write(tmp_path, train=50, val=20)
    before = [path.stat() for path in paths]
    assert synthetic.write(tmp_path, train=50, val=20) == paths
    assert [path.stat().st_ino for path in paths] == [one.st_ino for one in before]
    paths[1].unlink()
    synthetic.write(tmp_path, train=50, val=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.jsonl", "val.jsonl"]


@pytest.mark.parametrize("name", ["train.jsonl", "val.jsonl"])
def test_a_file_with_other_content_is_somebodys_work(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(ConfigError, match=rf"{name} is there already with other content") as caught:
        synthetic.write(tmp_path, train=50, val=20)
    assert "another folder" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine\n"


def test_no_duplicates_and_no_leaks(rows: tuple[Rows, Rows]) -> None:
    train, val = rows
    questions = [question(r).casefold().rstrip(".") for r in train + val]
    assert len(set(questions)) == len(questions)


def test_every_intent_is_there(rows: tuple[Rows, Rows]) -> None:
    names = {intent.name for intent in INTENTS}
    assert len(names) >= 25
    train, val = rows
    assert {r["metadata"]["intent"] for r in train} == names
    for kind in ("names", "phrasings"):
        assert {r["metadata"]["intent"] for r in val if r["metadata"]["held_out"] == kind} == names


def test_every_operator_is_in_the_closed_list(rows: tuple[Rows, Rows]) -> None:
    used: Counter[str] = Counter()
    for row in rows[0] + rows[1]:
        used.update(re.findall(r"(\w+):", QUOTED.sub('""', query(row))))
    assert set(used) <= CLOSED_LIST
    wide = "repo file lang type case rev fork archived visibility context author committer before after"
    assert set((wide + " message count timeout patterntype select").split()) <= set(used)


def test_commit_filters_have_their_type(rows: tuple[Rows, Rows]) -> None:
    for row in rows[0] + rows[1]:
        if re.search(r"\b(author|before|after|message):", QUOTED.sub('""', query(row))):
            assert re.search(r"\btype:(commit|diff)\b", query(row)), query(row)


def test_operators_stand_in_one_canonical_order(rows: tuple[Rows, Rows]) -> None:
    order = [
        "context",
        "repo",
        "rev",
        "fork",
        "archived",
        "visibility",
        "lang",
        "file",
        "type",
        "author",
        "committer",
        "after",
        "before",
        "message",
        "select",
        "case",
        "patterntype",
        "count",
        "timeout",
    ]
    for row in rows[0] + rows[1]:
        found = [order.index(name) for name in re.findall(r"(?<![.\w])(\w+):", QUOTED.sub('""', query(row)))]
        assert found == sorted(found), query(row)


def test_held_out_names_never_occur_in_training(rows: tuple[Rows, Rows]) -> None:
    text = "\n".join(f"{question(r)}\n{query(r)}" for r in rows[0]).casefold()
    for pool in POOLS.values():
        assert not set(pool.seen) & set(pool.held)
        for value in pool.held:
            for spelling in {value.text, value.query}:
                found = spelling.casefold() in text and whole(spelling).search(text)
                assert not found, (pool.name, spelling)


def test_rows_of_held_out_names_use_them(rows: tuple[Rows, Rows]) -> None:
    held = {v.text for pool in POOLS.values() for v in pool.held}
    for row in rows[1]:
        if row["metadata"]["held_out"] == "names":
            said = question(row)
            assert any(name in said and whole(name).search(said) for name in held), said


def test_held_out_wordings_never_occur_in_training(rows: tuple[Rows, Rows]) -> None:
    text = "\n".join(question(r) for r in rows[0])
    held = [w.text for c in CONCEPTS.values() for w in c.wordings if w.held]
    held += [re.sub(r"{\w+}", "{x}", s.text) for s in SENTENCES if s.held]
    held += list(OPENERS_HELD)
    for wording in held:
        words = re.escape(wording.replace("{y}", "{x}")).replace(r"\{x\}", r"[^\s,]+(?: [^\s,]+){0,3}")
        assert not re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE), wording


def test_phrasing_rows_use_only_held_out_openers(rows: tuple[Rows, Rows]) -> None:
    sentences = {s.text.split("{")[0].strip() for s in SENTENCES if s.held}
    for row in rows[1]:
        if row["metadata"]["held_out"] == "phrasings":
            text = question(row).casefold()
            known = [o.casefold() for o in OPENERS_HELD] + [s.casefold() for s in sentences]
            assert any(k in text for k in known), text


def test_every_concept_has_many_wordings() -> None:
    assert len(OPENERS) >= 20
    for concept in CONCEPTS.values():
        assert len(concept.said(held=False)) >= 10, concept.name
        assert len(concept.said(held=True)) >= 2, concept.name
        texts = [w.text for w in concept.wordings]
        assert len({(w.text, w.place) for w in concept.wordings}) == len(texts), concept.name


def test_every_value_of_the_query_is_in_the_question(rows: tuple[Rows, Rows]) -> None:
    """Open values are copied: nothing in a query comes from nowhere."""
    for row in rows[0] + rows[1]:
        said = question(row).casefold()
        for value in re.findall(r"\b(?:repo|rev|author|committer|context):([^\s()]+)", query(row)):
            if not value.startswith(("has.", '"')):
                assert value.casefold() in said, (said, query(row))
        for value in QUOTED.findall(query(row)):
            assert value.strip('"').removesuffix(" ago").casefold() in said, (said, query(row))
