"""The floors answer without a network, keep the contract of every baseline, and are easily beaten."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from nls_sdk import Dataset, Evaluator
from nls_sdk.evaluation.analysis import floors
from nls_sdk.evaluation.results import Share
from nls_sdk.floors import Echo, Rules
from nls_sdk.metrics import syntax_valid
from nls_sdk.synthetic import generate
from nls_sdk.testing import BaselineContract
from nls_sdk.translator import Translator

ROOT = Path(__file__).resolve().parents[1]


class TestEcho(BaselineContract):
    @pytest.fixture
    def baseline(self) -> Echo:
        return Echo()


class TestRules(BaselineContract):
    @pytest.fixture
    def baseline(self) -> Rules:
        return Rules()


def test_they_are_registered_like_any_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"]["nls_sdk.baselines"]
    made = {}
    for name, target in points.items():
        module, _, attribute = target.partition(":")
        made[name] = getattr(import_module(module), attribute)()
    assert {name: translator.name for name, translator in made.items()} == {"echo": "echo", "rules": "rules"}
    assert all(isinstance(translator, Translator) for translator in made.values())


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Find python files with async", "lang:python async"),
        ('commits by alice that mention "memory leak"', 'type:commit author:alice "memory leak"'),
        ("useEffect in facebook/react without tests", "-file:test repo:facebook/react useEffect"),
        ("   ", ""),
        ("the code", "the code"),
    ],
)
def test_rules(question: str, query: str) -> None:
    assert Rules().translate(question) == query


def test_a_floor_is_low() -> None:
    _, rows = generate(seed=3, train=1, val=100)
    pairs = [(row["messages"][1]["content"], row["messages"][2]["content"]) for row in rows]
    results = Evaluator(Dataset.from_pairs(pairs), warmup=0).run(Rules())
    found = floors(results.rows)
    assert found["rules"] == (results.syntax_valid, results.semantic_match)
    assert found["echo"][1].value < found["rules"][1].value < 0.5
    assert sum(syntax_valid(row.actual) for row in results.rows) > 80
    assert floors(()) == {"echo": (Share(0, 0), Share(0, 0)), "rules": (Share(0, 0), Share(0, 0))}
