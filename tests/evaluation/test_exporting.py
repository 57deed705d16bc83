"""The evaluation in other people's tools: pandas, a notebook, inspect_ai."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from browser.evil import evil_report

from nls_sdk import Dataset
from nls_sdk.errors import ConfigError, EvaluationError
from nls_sdk.evaluation.exporting import inspect_task

DATA = Dataset.from_pairs([("Go files", "lang:go"), ("Python files", "lang:python"), ("C files", "lang:c")])
ANSWERS = {"Go files": "lang:go", "Python files": "path:python", "C files": "lang:c needle"}


def test_a_table_of_pandas() -> None:
    results = evil_report(60).model
    table = results.to_pandas()
    assert len(table) == 60
    assert int(table["right"].sum()) == sum(row.right for row in results.rows)
    assert table["metadata.intent"][1] == "find needle in go"
    assert {"question", "expected", "actual", "seconds", "syntax_valid", "line"} <= set(table.columns)


def test_pandas_is_no_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EvaluationError, match=r"pandas is not installed.*\n.*pip install pandas"):
        evil_report(2).model.to_pandas()


def test_a_notebook_shows_the_table_and_nothing_runs() -> None:
    html = evil_report(20)._repr_html_()
    assert html.startswith("<table>")
    assert "<td>Semantic Match</td>" in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_inspect_is_no_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(ConfigError, match="pip install inspect-ai"):
        inspect_task(DATA)


def test_inspect_scores_as_the_evaluator_does(tmp_path: Path) -> None:
    inspect_ai = pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: `make inspect`")
    from inspect_ai.model import ModelAPI, ModelOutput, get_model, modelapi

    class Fixed(ModelAPI):
        """Answers by the question, without a network."""

        async def generate(self, input: list[Any], *_: Any, **__: Any) -> Any:
            return ModelOutput.from_content("fixed", ANSWERS[input[-1].text])

        async def count_text_tokens(self, text: str) -> int:
            return len(text.split())

    modelapi(name="fixed")(Fixed)
    (log,) = inspect_ai.eval(
        inspect_task(DATA),
        model=get_model("fixed/any"),
        log_dir=str(tmp_path),
        display="none",
    )
    assert log.status == "success", log.error
    scores = {score.name: score.metrics["mean"].value for score in log.results.scores}
    assert scores == pytest.approx(
        {
            "syntax_valid": 2 / 3,
            "semantic_match": 2 / 3,
            "server_valid": 1,
            "equivalent": 1 / 3,
            "right": 2 / 3,
        }
    )
    assert [message.role for message in log.samples[0].input] == ["system", "user"]
